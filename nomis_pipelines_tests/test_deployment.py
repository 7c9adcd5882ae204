"""Promise: the compose file describes services that can find one another, with settings that ours accept."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from nomis_pipelines.sandbox.process import SERVICE_CLIENTS
from nomis_pipelines.sandbox.tokens import CLIENTS
from nomis_pipelines.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
MANIFESTS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))]
OURS = {"sandbox", "schema", "code", "webserver", "daemon", "api"}


def repeated(node: yaml.Node | None) -> list[str]:
    """Keys that a mapping has twice, with their lines: YAML's readers keep the last, Compose refuses the file."""
    match node:
        case yaml.MappingNode(value=pairs):
            names = [key.value for key, _ in pairs]
            twice = [f"{k.value}, line {k.start_mark.line + 1}" for k, _ in pairs if names.count(k.value) > 1]
            return twice + [found for _, value in pairs for found in repeated(value)]
        case yaml.SequenceNode(value=items):
            return [found for item in items for found in repeated(item)]
        case _:
            return []


@pytest.mark.parametrize("file", ["docker-compose.yml", "dagster.yaml", *MANIFESTS])
def test_no_key_is_there_twice(file: str):
    for document in yaml.compose_all((ROOT / file).read_text()):
        assert repeated(document) == []


def test_all_parts_of_a_deployment_are_there():
    assert set(SERVICES) == OURS | {"postgres", "localstack"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_tells_its_health_or_ends(name: str):
    service = SERVICES[name]
    assert "healthcheck" in service or service["restart"] == "no"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_waits_for_what_it_needs(name: str):
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        ends = SERVICES[needed].get("restart") == "no"
        assert how == {"condition": "service_completed_successfully" if ends else "service_healthy"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_are_all_made_from_the_one_dockerfile(name: str):
    assert SERVICES[name]["build"]["context"] == "."
    assert SERVICES[name]["image"] == "nomis-pipelines:local"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name: str):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_environment_is_one_that_the_settings_accept():
    environment = SERVICES["code"]["environment"]
    settings = Settings.load(environment)
    assert settings.database_url.endswith("@postgres:5432/migration")
    assert settings.auth_url == "http://localhost:8090/auth"
    assert settings.has_queue("audit")
    ports = dict(re.findall(r"--port ([\w-]+)=(\d+)", SERVICES["sandbox"]["command"]))
    for name, client in SERVICE_CLIENTS.items():
        service = settings.service(name)
        assert service.base_url == f"http://localhost:{ports[name]}"
        assert (service.client_id, service.client_secret.get_secret_value()) == (client, CLIENTS[client].secret)


def test_localstack_is_given_every_queue_that_the_settings_name():
    script = (ROOT / "docker" / "queues.sh").read_text()
    stems = re.search(r"for name in (.*);", script)
    assert stems is not None
    made = {"local-audit"}
    for name in stems[1].split():
        made |= {f"local-{name}-events", f"local-{name}-events-dlq"}
    environment: dict[str, str] = SERVICES["code"]["environment"]
    assert {value for name, value in environment.items() if name.startswith("HMPPS_SQS_QUEUES_")} == made


def test_the_webserver_finds_the_code_location_under_its_name_in_the_network():
    workspace: Any = yaml.safe_load((ROOT / "docker" / "workspace.yaml").read_text())
    ((location,),) = [[entry["grpc_server"] for entry in workspace["load_from"]]]
    assert location["host"] in SERVICES["sandbox"]["networks"]["default"]["aliases"]
    assert SERVICES["code"]["network_mode"] == "service:sandbox"
    local: Any = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    assert location["location_name"] == local["load_from"][0]["python_module"]["location_name"]


def test_the_image_is_built_in_stages_and_runs_as_nobody_special():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert len(re.findall(r"^FROM ", dockerfile, re.MULTILINE)) == 2
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert users
    assert not users[-1].startswith(("root", "0"))
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", dockerfile, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path
