"""Promise: a run or a check that fails makes exactly one alert, with the link to its run, and none is ever lost."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import httpx
import pytest
import respx

from nomis_pipelines.alerting import JOB, KEY_TAG, InstanceWindows, build_alerting
from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.failed_runs import FailedCheck, FailedRun, check_alert, run_alert
from nomis_pipelines.http import CircuitOpen
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.migration.grid import PRISONS_SET
from nomis_pipelines.migration.verdicts import ADVICE
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines.settings import load_settings
from nomis_pipelines_tests import world

WEBHOOK = "http://hooks.test/T0/B0/secret"
UI = "http://ui.test"
ALERTING = build_alerting(DOMAINS)
SENSORS: dict[str, Any] = {sensor.name: sensor for sensor in ALERTING.sensors}


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.Route]:
    """This process led to a webhook of ours, and to nothing else that exists."""
    for name, value in world.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOMIS_PIPELINES_ALERT_WEBHOOK_URL", WEBHOOK)
    monkeypatch.setenv("NOMIS_PIPELINES_UI_URL", UI)
    monkeypatch.setattr("nomis_pipelines.observability.alerts.LONGEST_PAUSE_SECONDS", 0.0)
    load_settings.cache_clear()
    with respx.mock(assert_all_called=False, assert_all_mocked=True) as router:
        yield router.post(WEBHOOK).mock(return_value=httpx.Response(200))
    load_settings.cache_clear()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def said(route: respx.Route) -> list[str]:
    return [json.loads(call.request.content)["text"] for call in route.calls]


def failing(error: Exception, name: str = "migrate_visits") -> dg.JobDefinition:
    @dg.op(name=f"fail_{name}")
    def fail() -> None:
        raise error

    @dg.job(name=name)
    def failing_job() -> None:
        fail()

    return failing_job


def fail(instance: dg.DagsterInstance, error: Exception, *, name: str = "migrate_visits", **tags: str) -> Any:
    return failing(error, name).execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def tell_of(instance: dg.DagsterInstance, result: Any) -> Any:
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_alerts",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=run,
    )
    return SENSORS["run_failure_alerts"](context.for_run_failure())


def check_sensor(instance: dg.DagsterInstance, result: Any) -> Any:
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return SENSORS["check_failure_alerts"](
        dg.build_run_status_sensor_context(
            sensor_name="check_failure_alerts",
            dagster_event=result.get_run_success_event(),
            dagster_instance=instance,
            dagster_run=run,
        )
    )


def test_all_sensors_are_switched_on_and_can_be_seen() -> None:
    names = set(SENSORS)
    assert names == {
        "run_failure_alerts", "check_failure_alerts", "check_failure_alerts_of_failed_runs", "alert_repeats",
    }  # fmt: skip
    assert {sensor.default_status for sensor in SENSORS.values()} == {dg.DefaultSensorStatus.RUNNING}
    repository = build_definitions().get_repository_def()
    assert names <= {sensor.name for sensor in repository.sensor_defs}
    assert JOB in repository.job_names


def test_a_failed_run_makes_one_alert_with_its_link_and_its_repeats_a_count(
    instance: dg.DagsterInstance, hooked: respx.Route
) -> None:
    partition = {"dagster/partition": "HEI|2024-05"}
    error = CircuitOpen("visits", "POST", "/migrate-visits")
    first = fail(instance, error, **partition)
    assert isinstance(tell_of(instance, first), dg.SkipReason)
    for _ in range(3):
        tell_of(instance, fail(instance, error, **partition))
    (text,) = said(hooked)
    assert text.splitlines()[0] == "*migrate_visits failed*"
    assert "where: job migrate_visits, partition HEI|2024-05" in text
    assert "cause: CircuitOpen: visits" in text
    assert "records: unknown, the ledger cannot be asked" in text
    assert text.splitlines()[-1] == f"{UI}/runs/{first.run_id}"
    tell_of(instance, fail(instance, KeyError("another cause")))
    assert len(said(hooked)) == 2
    assert '"swallowed":3' in InstanceWindows(instance).load()


def test_the_words_of_an_error_that_is_not_ours_are_not_told(instance: dg.DagsterInstance, hooked: respx.Route) -> None:
    tell_of(instance, fail(instance, ValueError("cannot read 'Mr Secret Person'")))
    (text,) = said(hooked)
    assert "cause: ValueError" in text
    assert "Secret" not in text


def test_a_run_that_will_be_retried_is_not_told(instance: dg.DagsterInstance, hooked: respx.Route) -> None:
    tell_of(instance, fail(instance, KeyError(), **{"dagster/will_retry": "true"}))
    assert said(hooked) == []
    tell_of(instance, fail(instance, KeyError(), **{"dagster/will_retry": "false", "dagster/retry_number": "3"}))
    assert said(hooked)[0].startswith("*migrate_visits failed (4 attempts)*")


def test_the_daemon_says_in_the_tag_that_we_read_whether_it_will_retry(hooked: respx.Route) -> None:
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 1}}) as instance:
        tell_of(instance, fail(instance, KeyError()))
        assert said(hooked) == []
        tell_of(instance, fail(instance, KeyError(), **{"dagster/max_retries": "0"}))
        assert len(said(hooked)) == 1


def test_an_alert_that_cannot_be_sent_is_handed_over_and_sent_by_a_run(
    instance: dg.DagsterInstance, hooked: respx.Route
) -> None:
    hooked.mock(side_effect=httpx.ConnectError("away"))
    result = fail(instance, KeyError())
    request = tell_of(instance, result)
    assert isinstance(request, dg.RunRequest)
    assert request.tags[KEY_TAG] == "run:migrate_visits:KeyError"
    job = ALERTING.jobs[0]
    failed = job.execute_in_process(run_config=request.run_config, instance=instance, raise_on_error=False)
    assert not failed.success
    assert tell_of(instance, failed).skip_message.startswith("an alert could not be delivered")
    hooked.mock(return_value=httpx.Response(200))
    calls = hooked.call_count
    assert job.execute_in_process(run_config=request.run_config, instance=instance).success
    assert said(hooked)[calls:] == [said(hooked)[0]]
    assert f"{UI}/runs/{result.run_id}" in said(hooked)[-1]


def test_one_run_waits_for_the_webhook_however_many_fail(instance: dg.DagsterInstance, hooked: respx.Route) -> None:
    hooked.mock(return_value=httpx.Response(503))
    request = tell_of(instance, fail(instance, KeyError()))
    instance.create_run_for_job(
        ALERTING.jobs[0], run_config=request.run_config, tags=request.tags, status=dg.DagsterRunStatus.STARTED
    )
    assert isinstance(tell_of(instance, fail(instance, KeyError())), dg.SkipReason)
    assert isinstance(tell_of(instance, fail(instance, TypeError())), dg.RunRequest)


def test_a_setting_that_is_wrong_loses_no_alert(
    instance: dg.DagsterInstance, hooked: respx.Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMIS_PIPELINES_ALERT_WINDOW_SECONDS", "soon")
    load_settings.cache_clear()
    result = fail(instance, KeyError())
    request = tell_of(instance, result)
    assert isinstance(request, dg.RunRequest)
    assert result.run_id in json.dumps(request.run_config)


CHECKED: dict[str, tuple[bool, dg.AssetCheckSeverity]] = {
    "no_duplicates": (False, dg.AssetCheckSeverity.ERROR),
    "no_failures": (True, dg.AssetCheckSeverity.ERROR),
    "nothing_in_doubt": (False, dg.AssetCheckSeverity.ERROR),
    "complete": (False, dg.AssetCheckSeverity.WARN),
}


def checked(instance: dg.DagsterInstance, found: dict[str, tuple[bool, dg.AssetCheckSeverity]]) -> Any:
    key = dg.AssetKey(["dps", "visits"])

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec(name, asset=key) for name in found])
    def visits() -> Iterator[Any]:
        for name, (passed, severity) in found.items():
            yield dg.AssetCheckResult(
                check_name=name, passed=passed, severity=severity, description=f"2 records of {name}",
                metadata={ADVICE: f"nomis-pipelines see {name}"},
            )  # fmt: skip
        yield dg.MaterializeResult()

    return dg.materialize([visits], instance=instance)


def test_failed_checks_of_a_run_make_one_alert(instance: dg.DagsterInstance, hooked: respx.Route) -> None:
    result = checked(instance, CHECKED)
    check_sensor(instance, result)
    (text,) = said(hooked)
    assert text.splitlines() == [
        "*dps/visits: checks failed: no_duplicates, nothing_in_doubt*",
        "no_duplicates: 2 records of no_duplicates",
        "nothing_in_doubt: 2 records of nothing_in_doubt",
        "where: job __ephemeral_asset_job__",
        *([line for line in text.splitlines() if line.startswith("records: ")]),
        "what helps: nomis-pipelines see no_duplicates; nomis-pipelines see nothing_in_doubt",
        f"{UI}/runs/{result.run_id}",
    ]
    check_sensor(instance, checked(instance, CHECKED))
    assert len(said(hooked)) == 1
    check_sensor(instance, checked(instance, {"no_duplicates": CHECKED["no_duplicates"]}))
    assert len(said(hooked)) == 2
    passing = check_sensor(instance, checked(instance, {"complete": CHECKED["complete"]}))
    assert passing.skip_message == "no check failed"


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("synchronise_visits", "queues list"),
        ("retry_failed_visits", "nomis-pipelines failures visits"),
        ("retry_mappings", "mappings retry"),
        ("retry_dead_letters", "queues list"),
        ("resolve_duplicates", "duplicates list"),
        ("reconcile_visits", "start it again"),
        ("__ASSET_JOB", "start it again: what is mapped is skipped"),
    ],
)
def test_every_kind_of_job_has_a_command_that_helps(job: str, words: str, hooked: respx.Route) -> None:
    alert = run_alert(FailedRun(run_id="r", job=job, assets=["visits"]), DOMAINS)
    assert words in alert.command
    if job.startswith("__"):
        assert alert.title == "materialising visits failed"


@pytest.mark.server
async def test_an_alert_counts_the_records_of_its_migration(
    hooked: respx.Route, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", ledger_url)
    load_settings.cache_clear()
    async with await Ledger.open(ledger_url) as ledger:
        migration_id = await ledger.start_migration(
            migration_type="VISITS", domain="visits", filter_json="{}", estimated=100, now=datetime.now(UTC), run_id="r"
        )
        await ledger.save_progress(migration_id, {"processed": 40, "migrated": 37, "failed": 3})
    run = FailedRun(run_id="r", job="migrate_visits_by_filter", errors=[("LedgerUnavailable", "no database")] * 2)
    alert = run_alert(run, DOMAINS)
    facts = dict(alert.facts)
    assert facts["records"] == "40 of 100 done: 37 migrated, 3 failed"
    assert facts["where"].endswith(f"migration {migration_id}")
    assert facts["cause"] == "LedgerUnavailable: no database"
    assert f"nomis-pipelines status {migration_id}" in alert.command
    check = FailedCheck(asset="dps/visits", name="no_failures", summary="3 failed records, 3 shown", advice="")
    told = dict(check_alert(run, [check], DOMAINS).facts)
    assert (told["records"], told["no_failures"]) == (facts["records"], "3 failed records")


async def plant_a_duplicate(url: str, partition: str) -> None:
    key = VISITS.migration.record_key("999999999")
    async with await Ledger.open(url) as ledger:
        await ledger.claim(key, migration_id="2026-03-10T09:00:00", partition=partition)
        await ledger.written(key, dps_id="surplus", mapping={"nomisId": 999999999})
        await ledger.duplicate(key, dps_id="surplus", existing_dps_id="kept")


@pytest.mark.server
@pytest.mark.usefixtures("in_environment")
def test_a_planted_duplicate_and_a_service_that_is_down_make_one_alert_each(
    sandbox: SandboxAdmin, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMIS_PIPELINES_UI_URL", UI)
    monkeypatch.setenv("NOMIS_PIPELINES_ALERT_WEBHOOK_URL", WEBHOOK)
    load_settings.cache_clear()
    messages: list[str] = []
    monkeypatch.setattr("nomis_pipelines.observability.alerts.Webhook.post", lambda self, text: messages.append(text))
    definitions = build_definitions()
    job = definitions.resolve_job_def("migrate_visits")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PRISONS_SET, ["HEI", "BXI", "MDI"])
        asyncio.run(plant_a_duplicate(environment["DATABASE_URL"], "BXI|2024-05"))
        result = job.execute_in_process(instance=instance, partition_key="BXI|2024-05")
        check_sensor(instance, result)
        (text,) = messages
        assert "no_duplicates: 1 records with a surplus DPS record" in text
        assert "partition BXI|2024-05" in text
        assert text.endswith(f"{UI}/runs/{result.run_id}")
        sandbox.set_fault("status", "nomis", code=503)
        down = job.execute_in_process(instance=instance, partition_key="BXI|2024-06", raise_on_error=False)
        tell_of(instance, down)
        assert len(messages) == 2
        assert messages[1].startswith("*migrate_visits failed*")
        assert messages[1].endswith(f"{UI}/runs/{down.run_id}")
