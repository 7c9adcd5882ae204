"""Promise: what is given to Dagster's Helm chart makes the instance that `dagster.yaml` describes, a run's pod gets its
settings and no secret's value, and what the control API's manifests name exists.

No cluster is asked: the instance configuration is made from the values as the chart's templates make it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes
import pytest
import yaml
from dagster._core.code_pointer import CodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from sqlalchemy.engine import make_url

from nomis_pipelines.api.launcher import LOCATION
from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.settings import SERVICES, Settings
from nomis_pipelines.synchronisation.options import ConsumerOptions

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "values.yaml").read_text())
LOCAL: dict[str, Any] = yaml.safe_load((ROOT / "dagster.yaml").read_text())
SETTINGS: dict[str, str] = yaml.safe_load((DEPLOY / "settings.yaml").read_text())["data"]
README = (DEPLOY / "README.md").read_text()
MANIFESTS: list[dict[str, Any]] = [
    document
    for name in ("settings", "schema-upgrade", "control-api")
    for document in yaml.safe_load_all((DEPLOY / f"{name}.yaml").read_text())
]
LAUNCHER: dict[str, Any] = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
DAEMON: dict[str, Any] = VALUES["dagsterDaemon"]
(CODE,) = VALUES["dagster-user-deployments"]["deployments"]
WEBSERVER: dict[str, Any] = VALUES["dagsterWebserver"]


def secret_keys() -> set[str]:
    """The keys of the Secret `nomis-pipelines`, as the README tells whoever makes it."""
    (row,) = [line for line in README.splitlines() if line.startswith("| `nomis-pipelines` |")]
    return set(re.findall(r"`([A-Z_]+)`", row))


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def snaked(values: dict[str, Any]) -> dict[str, Any]:
    return {snake(key): value for key, value in values.items()}


def as_the_chart_makes_it() -> dict[str, Any]:
    """The `dagster.yaml` that the chart's `configmap-instance.yaml` makes of the values."""
    postgres = VALUES["postgresql"]
    storage = {
        "postgres_db": {
            "username": postgres["postgresqlUsername"],
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": postgres["postgresqlHost"],
            "db_name": postgres["postgresqlDatabase"],
            "port": postgres["service"]["port"],
            "params": postgres["postgresqlParams"],
        }
    }
    coordinator = DAEMON["runCoordinator"]["config"]["queuedRunCoordinator"]
    runs = VALUES["concurrency"]["runs"]
    return {
        "scheduler": {"module": "dagster.core.scheduler", "class": "DagsterDaemonScheduler"},
        "schedule_storage": {
            "module": "dagster_postgres.schedule_storage", "class": "PostgresScheduleStorage", "config": storage,
        },
        "run_storage": {"module": "dagster_postgres.run_storage", "class": "PostgresRunStorage", "config": storage},
        "event_log_storage": {
            "module": "dagster_postgres.event_log", "class": "PostgresEventLogStorage", "config": storage,
        },
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher_config()},
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": DAEMON["runCoordinator"]["type"],
            "config": {snake(key): value for key, value in coordinator.items() if value},
        },
        "concurrency": {
            "pools": snaked(VALUES["concurrency"]["pools"]),
            "runs": {
                "max_concurrent_runs": runs["maxConcurrentRuns"],
                "tag_concurrency_limits": runs["tagConcurrencyLimits"],
            },
        },
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": VALUES["computeLogManager"]["type"],
        },
        "python_logs": snaked(VALUES["pythonLogs"]),
        "run_monitoring": snaked(DAEMON["runMonitoring"]),
        "run_retries": snaked(DAEMON["runRetries"]),
        "sensors": snaked(DAEMON["sensors"]),
        "schedules": snaked(DAEMON["schedules"]),
        "telemetry": VALUES["telemetry"],
        "retention": {
            kind: {"purge_after_days": VALUES["retention"][kind]["purgeAfterDays"]} for kind in ("sensor", "schedule")
        },
    }  # fmt: skip


def launcher_config() -> dict[str, Any]:
    """What the chart's `_run-launcher.tpl` makes of the values; a value it does not know would be lost."""
    known = {
        "imagePullPolicy", "loadInclusterConfig", "envConfigMaps", "envSecrets", "envVars", "labels", "volumes",
        "volumeMounts", "securityContext", "resources", "runK8sConfig",
    }  # fmt: skip
    assert set(LAUNCHER) == known
    config = snaked(LAUNCHER)
    for name in ("env_config_maps", "env_secrets"):
        config[name] = [source["name"] for source in config[name]]
    return {
        **config,
        "run_k8s_config": snaked(config["run_k8s_config"]),
        "job_namespace": "migrations",
        "service_account_name": VALUES["global"]["serviceAccountName"],
        "dagster_home": VALUES["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
    }


@pytest.fixture(autouse=True)
def _outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernetes.config.load_incluster_config", lambda: None)


@pytest.mark.server
def test_the_instance_loads_with_the_run_launcher_of_kubernetes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, config = make_url(database_url), as_the_chart_makes_it()
    database = config["run_storage"]["config"]["postgres_db"]  # one object in all three storages
    assert database["params"] == {"sslmode": "require"}
    database |= {
        "hostname": url.host, "port": url.port, "db_name": url.database, "username": url.username, "params": {},
    }  # fmt: skip
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", url.password or "none")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_launcher).__name__ == "K8sRunLauncher"
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert {"key": "dagster/partition", "limit": 12} in queue.tag_concurrency_limits
        # twelve migrations, and room for a consumer of every domain
        assert queue.max_concurrent_runs >= 12 + 25
        assert instance.run_retries_max_retries == 3
        assert instance.run_monitoring_max_resume_run_attempts == 0
        assert not instance.telemetry_enabled


AGREED = [
    "concurrency",
    "run_retries",
    "run_monitoring",
    "sensors",
    "schedules",
    "retention",
    "telemetry",
    "python_logs",
]


@pytest.mark.parametrize("section", AGREED)
def test_the_instance_is_the_one_of_dagster_yaml(section: str) -> None:
    made, local = as_the_chart_makes_it()[section], json.loads(json.dumps(LOCAL[section]))
    if section == "concurrency":  # twice as many migrations as on one machine
        local["runs"]["tag_concurrency_limits"][0]["limit"] = local["pools"]["default_limit"] = 12
    if section == "run_monitoring":  # said aloud, for only this launcher could resume a run
        local["max_resume_run_attempts"] = 0
    assert made == local


def test_the_queue_is_looked_at_as_often_and_limited_in_one_place_only() -> None:
    made = as_the_chart_makes_it()["run_coordinator"]
    assert made["config"] == LOCAL["run_coordinator"]["config"]
    assert (made["class"], made["module"]) == (LOCAL["run_coordinator"]["class"], LOCAL["run_coordinator"]["module"])
    assert as_the_chart_makes_it()["compute_logs"] == LOCAL["compute_logs"]


class Cluster:
    """The part of Kubernetes that a launcher asks to make a job."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, dict[str, Any]]] = []

    def create_namespaced_job_with_retries(self, *, body: Any, namespace: str) -> None:
        self.jobs.append((namespace, kubernetes.client.ApiClient().sanitize_for_serialization(body)))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the values, but for its database, which is a file here."""
    config = as_the_chart_makes_it()
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        del config[storage]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@dg.job
def migrate_something() -> None:
    """Any job: a launcher does not look into it."""


IMAGE = f"{CODE['image']['repository']}:{CODE['image']['tag']}"


def launched(instance: dg.DagsterInstance, **tags: str) -> tuple[str, dict[str, Any]]:
    """The namespace and the Job that the launcher would make for a run with these tags."""
    # the image is the one that the code location says it runs in (DAGSTER_CURRENT_IMAGE, which the chart sets)
    origin = RepositoryPythonOrigin(
        executable_path="/opt/nomis-pipelines/bin/python",
        code_pointer=CodePointer.from_module("nomis_pipelines.definitions", "defs", None),
        container_image=IMAGE,
        entry_point=["dagster"],
        container_context=None,
    )
    run = instance.create_run_for_job(
        migrate_something, tags=tags, job_code_origin=JobPythonOrigin("migrate_visits", origin)
    )
    cluster, launcher = Cluster(), instance.run_launcher
    launcher._api_client = cluster  # type: ignore[attr-defined]
    launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    (job,) = cluster.jobs
    return job


def test_a_run_is_a_pod_of_the_code_locations_image_that_may_do_nothing_but_its_work(
    instance: dg.DagsterInstance,
) -> None:
    namespace, job = launched(instance)
    pod, (container,) = job["spec"]["template"], job["spec"]["template"]["spec"]["containers"]
    assert (namespace, job["kind"], job["spec"]["backoffLimit"]) == ("migrations", "Job", 0)
    assert container["image"] == IMAGE
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    assert container["resources"] == LAUNCHER["resources"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert pod["spec"]["securityContext"]["runAsUser"] == 2000
    assert pod["spec"]["serviceAccountName"] == "nomis-pipelines"
    assert not pod["spec"]["automountServiceAccountToken"]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert pod["spec"]["volumes"] == LAUNCHER["volumes"]
    labels = pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "nomis-pipelines"
    assert labels["app.kubernetes.io/component"] == "run_worker"
    assert labels["dagster/job"] == "migrate_visits"
    assert re.fullmatch(r"[0-9a-f-]{36}", labels["dagster/run-id"])
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600


def test_a_run_gets_its_settings_and_secrets_by_reference(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(sorted(secret_keys() | {"DAGSTER_PG_PASSWORD"})):
        monkeypatch.setenv(name, f"not-to-be-seen-{number}")
    _, job = launched(instance)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "nomis-pipelines"}},
        {"secretRef": {"name": "nomis-pipelines"}},
    ]
    given = {each["name"]: each for each in container["env"]}
    reference = {"name": "nomis-pipelines-dagster-database", "key": "postgresql-password"}
    assert given.pop("DAGSTER_PG_PASSWORD")["valueFrom"] == {"secretKeyRef": reference}
    assert set(given) == {"DAGSTER_HOME", "DAGSTER_RUN_JOB_NAME", "HOME"}
    assert "not-to-be-seen" not in json.dumps(job)


def test_a_run_has_the_time_to_finish_what_is_in_hand(instance: dg.DagsterInstance) -> None:
    _, job = launched(instance)
    grace = job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    used = {service for domain in DOMAINS for service in domain.migration.services}
    assert grace > max(SERVICES[name].timeout_seconds for name in used) + ConsumerOptions().grace_seconds
    assert grace == DAEMON["runMonitoring"]["cancelTimeoutSeconds"]


def test_a_run_is_given_what_its_tag_asks_for(instance: dg.DagsterInstance) -> None:
    (example,) = re.findall(r"`dagster-k8s/config` = `(\{.*\})`", README)
    _, job = launched(instance, **{"dagster-k8s/config": example})
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {**LAUNCHER["resources"]["limits"], "memory": "4Gi"}
    assert container["resources"]["requests"] == {**LAUNCHER["resources"]["requests"], "memory": "4Gi"}
    # and keeps everything else
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["envFrom"]


@pytest.mark.parametrize("part", [WEBSERVER, DAEMON, CODE], ids=["webserver", "daemon", "code location"])
def test_every_part_is_bounded_and_nobody_special(part: dict[str, Any]) -> None:
    for resources in (part["resources"], part.get("initContainerResources", part["resources"])):
        assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}
    assert part["podSecurityContext"] == LAUNCHER["runK8sConfig"]["podSpecConfig"]["securityContext"]
    assert part["securityContext"] == LAUNCHER["securityContext"]
    assert part["image"] == CODE["image"]
    assert ("initContainerResources" in part) == (part is not CODE)


def test_the_code_location_is_found_under_its_name_and_keeps_its_own_resources() -> None:
    assert CODE["name"] == LOCATION
    assert CODE["dagsterApiGrpcArgs"] == ["--module-name", "nomis_pipelines.definitions"]
    assert CODE["includeConfigInLaunchedRuns"] == {"enabled": False}
    assert CODE["envConfigMaps"] == LAUNCHER["envConfigMaps"]
    assert CODE["envSecrets"] == LAUNCHER["envSecrets"]


def test_the_image_can_launch_runs_and_has_no_sandbox_unless_it_is_asked_for() -> None:
    assert "ARG EXTRAS=azure,k8s\n" in (ROOT / "Dockerfile").read_text()


def test_the_sensors_of_alerts_are_handed_enough_runs_a_tick() -> None:
    name = "DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT"
    assert {each["name"]: each["value"] for each in CODE["env"]}[name] == "50"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert [compose[service]["environment"][name] for service in ("code", "daemon")] == ["50", "50"]


def everything_given() -> dict[str, str]:
    return {**{name: f"postgresql://a-{name}@b/c" for name in secret_keys()}, **SETTINGS}


def test_every_setting_without_which_nothing_starts_is_given() -> None:
    settings = Settings.load(everything_given())
    assert settings.database_url
    assert settings.auth_url
    for name in {service for domain in DOMAINS for service in ("nomis", "mapping", *domain.migration.services)}:
        assert settings.service(name).base_url.startswith("https://"), name


@pytest.mark.parametrize("queue", [*(queue for domain in DOMAINS for queue in domain.queues), "audit"])
def test_every_queue_is_named(queue: str) -> None:
    settings = Settings.load(everything_given())
    assert settings.queue(queue).queue_name
    assert settings.queue(queue).dlq_name or queue == "audit"


def test_the_settings_hold_no_secret_and_no_setting_that_does_not_exist() -> None:
    assert not secret_keys() & set(SETTINGS)
    assert not [name for name in SETTINGS if re.search("SECRET|PASSWORD|TOKEN|WEBHOOK|CLIENT_ID", name)]
    page = (ROOT / "docs" / "settings.md").read_text()
    for name in SETTINGS:
        assert name in page or name.startswith("HMPPS_SQS_QUEUES_"), name


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_a_manifest_is_one_that_kubernetes_knows(manifest: dict[str, Any]) -> None:
    model = getattr(kubernetes.client, f"V1{manifest['kind']}")
    k8s_model_from_dict(model, k8s_snake_case_dict(model, manifest))


OURS = [manifest for manifest in MANIFESTS if manifest["kind"] in ("Deployment", "Job")]


@pytest.mark.parametrize("manifest", OURS, ids=lambda manifest: manifest["kind"])
def test_our_own_pods_are_as_bounded_as_a_run(manifest: dict[str, Any]) -> None:
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"] == LAUNCHER["runK8sConfig"]["podSpecConfig"]["securityContext"]
    assert container["securityContext"] == LAUNCHER["securityContext"]
    assert set(container["resources"]["requests"]) == set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert container["image"] == IMAGE
    assert container["envFrom"] == [
        {"configMapRef": {"name": "nomis-pipelines"}},
        {"secretRef": {"name": "nomis-pipelines"}},
    ]
    assert pod["serviceAccountName"] == VALUES["global"]["serviceAccountName"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_control_api_finds_the_webserver_and_is_found() -> None:
    by_kind = {manifest["kind"]: manifest for manifest in MANIFESTS}
    release = re.search(r"helm upgrade --install (\S+) dagster/dagster --version (\S+)", README)
    assert release is not None
    assert SETTINGS["NOMIS_PIPELINES_DAGSTER_URL"] == (
        f"http://{release[1]}-{WEBSERVER['nameOverride']}:{WEBSERVER['service']['port']}"
    )
    assert release[2] == dg.__version__
    assert f"version {dg.__version__}" in (DEPLOY / "values.yaml").read_text()
    pod = by_kind["Deployment"]["spec"]["template"]
    for selector in (
        by_kind["Service"]["spec"]["selector"],
        by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        by_kind["Deployment"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= pod["metadata"]["labels"].items()
    assert by_kind["Deployment"]["spec"]["replicas"] > by_kind["PodDisruptionBudget"]["spec"]["minAvailable"]
