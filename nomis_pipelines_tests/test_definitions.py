"""Promise: what Dagster shows of a domain is what the design says, and a run of it does what its steps say."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import LedgerReader, MigrationStatus, Progress
from nomis_pipelines.migration.grid import PRISONS_SET, known_prisons
from nomis_pipelines.resources import ForgettingIOManager, forgetting_io_manager
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines_tests import world

STAGES = ["read_page", "transform_page", "write_page", "record_page"]
CHECKS = {"complete", "everything_mapped", "no_duplicates", "no_failures", "nothing_in_doubt"}
VISITS_KEY = dg.AssetKey(["dps", "visits"])
DEFINITIONS = build_definitions()


def job(name: str) -> dg.JobDefinition:
    return DEFINITIONS.resolve_job_def(name)


def test_the_definitions_can_be_loaded() -> None:
    dg.Definitions.validate_loadable(DEFINITIONS)


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_every_domain_has_its_asset_jobs_and_checks_by_name(domain: Domain) -> None:
    name, key = domain.name, dg.AssetKey(["dps", domain.name])
    asset = DEFINITIONS.resolve_assets_def(key)
    assert asset.backfill_policy is None
    graph = DEFINITIONS.resolve_asset_graph()
    assert {check.name for check in graph.asset_check_keys if check.asset_key == key} == CHECKS
    jobs = set(DEFINITIONS.get_repository_def().job_names)
    assert {f"migrate_{name}", f"migrate_{name}_by_filter", f"retry_failed_{name}", "retry_mappings"} <= jobs


def test_the_partitions_of_visits_are_prison_by_month() -> None:
    grid = DEFINITIONS.resolve_assets_def(VISITS_KEY).partitions_def
    assert isinstance(grid, dg.MultiPartitionsDefinition)
    prisons, months = (dimension.partitions_def for dimension in grid.partitions_defs)
    assert [dimension.name for dimension in grid.partitions_defs] == ["prison", "window"]
    assert isinstance(prisons, dg.DynamicPartitionsDefinition)
    assert prisons.name == PRISONS_SET
    keys = months.get_partition_keys(current_time=datetime(2026, 6, 30, 23, 30, tzinfo=UTC))
    assert keys[0] == "2010-01"
    # half an hour into July in London: the running month is there from its first day
    assert keys[-1] == "2026-07"


def test_the_jobs_of_visits_and_their_steps_are_these() -> None:
    """A snapshot: names of steps and jobs are kept in Dagster's history, so a change of them must be meant."""
    definitions = build_definitions((VISITS,))
    steps = {
        name: {
            node.name
            for node in definitions.resolve_job_def(name).graph.nodes
            if not node.name.startswith("dps__visits_")
        }
        for name in definitions.get_repository_def().job_names
        if "visits" in name and name.startswith(("migrate", "retry"))
    }
    assert steps == {
        "migrate_visits": {"visits_migration"},
        "migrate_visits_by_filter": {"plan_pages", *STAGES, "finish"},
        "retry_failed_visits": {"retry"},
    }
    inside = definitions.resolve_job_def("migrate_visits").graph.node_named("visits_migration").definition
    assert isinstance(inside, dg.GraphDefinition)
    assert {node.name for node in inside.nodes} == {"plan_pages", *STAGES, "finish"}
    assert "known_prisons" in {sensor.name for sensor in definitions.get_repository_def().sensor_defs}


def all_ops() -> list[Any]:
    found = [
        node
        for name in DEFINITIONS.get_repository_def().job_names
        for node in job(name).all_node_defs
        if isinstance(node, dg.OpDefinition)
    ]
    assert found
    return found


def test_no_op_has_a_retry_policy_which_would_swallow_a_cancel() -> None:
    assert [op.name for op in all_ops() if op.retry_policy is not None] == []
    for name in DEFINITIONS.get_repository_def().job_names:
        assert all(node.retry_policy is None for node in job(name).nodes), name


def test_every_job_runs_in_process_so_that_pages_stay_in_memory() -> None:
    for name in DEFINITIONS.get_repository_def().job_names:
        assert job(name).executor_def.name == "in_process", name


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_what_stages_hand_on_goes_through_the_io_manager_that_forgets(domain: Domain) -> None:
    ops = {op.name: op for op in all_ops()}
    for name in [f"plan_{domain.name}_pages", *(f"{stage.split('_')[0]}_{domain.name}_page" for stage in STAGES)]:
        assert {output.io_manager_key for output in ops[name].output_dict.values()} == {"page_io_manager"}, name
    assert ops[f"finish_{domain.name}"].output_dict["result"].dagster_type.is_nothing
    assert job(f"migrate_{domain.name}").resource_defs["page_io_manager"] is forgetting_io_manager


@pytest.mark.parametrize("name", ["migrate_visits", "migrate_visits_by_filter"])
def test_a_failed_run_is_retried_whole(name: str) -> None:
    assert job(name).tags["dagster/retry_strategy"] == "ALL_STEPS"


def test_no_secret_is_in_what_dagster_shows_of_the_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in world.ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    snapshots = [str(job(name).get_job_snapshot()) for name in DEFINITIONS.get_repository_def().job_names]
    assert not any("-secret" in snapshot for snapshot in snapshots)


def test_loading_imports_nothing_heavy_and_connects_to_nothing() -> None:
    heavy = ["pandas", "numpy", "matplotlib", "boto3", "botocore.client", "aioboto3", "moto", "alembic",
             "sqlalchemy", "psycopg", "psycopg2", "httpx", "pyarrow",
             "opentelemetry.sdk", "nomis_pipelines.sandbox", "fastapi", "tabulate"]  # fmt: skip
    code = f"""
import socket, sys
def refuse(*a): raise AssertionError("a connection while loading")
socket.socket.connect = refuse
import nomis_pipelines.definitions as d
d.build_definitions().get_repository_def()
print([name for name in {heavy!r} if name in sys.modules])
"""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("API_", "DATABASE", "DAGSTER"))}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, env=bare
    )
    assert (ended.stdout.strip(), ended.returncode) == ("[]", 0), ended.stderr


def test_the_io_manager_hands_a_value_on_once() -> None:
    manager = ForgettingIOManager()
    output = dg.build_output_context(step_key="read_page[page_00000]", name="result", run_id="r")
    other = dg.build_output_context(step_key="read_page[page_00001]", name="result", run_id="r")
    manager.handle_output(output, "a page")
    manager.handle_output(other, "another")
    assert manager.load_input(dg.build_input_context(upstream_output=output)) == "a page"
    with pytest.raises(KeyError):
        manager.load_input(dg.build_input_context(upstream_output=output))
    assert manager.load_input(dg.build_input_context(upstream_output=other)) == "another"
    with pytest.raises(dg.DagsterInvariantViolationError, match="no upstream output"):
        manager.load_input(dg.build_input_context(name="page"))


def test_the_sensor_adds_the_known_prisons_and_only_those_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from nomis_pipelines.settings import load_settings

    monkeypatch.setenv("NOMIS_PIPELINES_PRISONS", "ZZI")
    load_settings.cache_clear()
    sensor: Any = DEFINITIONS.resolve_sensor_def("known_prisons")
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions(PRISONS_SET, ["HEI", "OLD"])
            (request,) = sensor(dg.build_sensor_context(instance=instance)).dynamic_partitions_requests
            assert "ZZI" in request.partition_keys
            assert "BXI" in request.partition_keys
            assert "HEI" not in request.partition_keys
            assert set(request.partition_keys) | {"HEI"} == set(known_prisons(load_settings()))
            instance.add_dynamic_partitions(PRISONS_SET, request.partition_keys)
            assert isinstance(sensor(dg.build_sensor_context(instance=instance)), dg.SkipReason)
    finally:
        load_settings.cache_clear()


# What follows runs jobs on the sandbox.

MONTH = "2024-05"
PARTITION = f"BXI|{MONTH}"


@pytest.fixture
def instance(in_environment: None) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(PRISONS_SET, ["HEI", "BXI", "MDI"])
        yield made


@pytest.fixture
def reader(environment: dict[str, str]) -> Iterator[LedgerReader]:
    with LedgerReader(environment["DATABASE_URL"]) as made:
        yield made


def partitions_filled(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(VISITS_KEY))


@pytest.mark.server
def test_a_partition_is_filled_checked_and_counted(
    instance: dg.DagsterInstance, sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    result = job("migrate_visits").execute_in_process(
        instance=instance, partition_key=dg.MultiPartitionKey({"prison": "BXI", "window": MONTH})
    )
    assert result.success
    assert partitions_filled(instance) == {PARTITION}
    (materialization,) = result.asset_materializations_for_node("visits_migration")
    numbers = {name: value.value for name, value in materialization.metadata.items()}
    progress = reader.latest_progress("visits", partition=PARTITION)
    assert progress is not None
    assert progress.run_id == result.run_id
    assert 0 < progress.estimated == numbers["estimated"] == numbers["listed"]
    assert numbers["migrated"] == progress.migrated == sandbox.agreement()["visits"]["mappings"]
    assert numbers["migrated"] + numbers["rejected"] == numbers["estimated"]
    assert numbers["records_a_second"] > 0
    assert str(numbers["mappings"]).endswith(f"/mapping/visits/migration-id/{progress.migration_id}")
    assert result.run_id in str(numbers["run"])
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert set(checks) == CHECKS
    assert {check.partition for check in checks.values()} <= {PARTITION, None}
    assert all(check.passed for name, check in checks.items() if name != "complete")

    again = job("migrate_visits").execute_in_process(instance=instance, partition_key=PARTITION)
    (second,) = again.asset_materializations_for_node("visits_migration")
    assert second.metadata["migrated"].value == 0
    assert second.metadata["skipped"].value == progress.migrated


@pytest.mark.server
def test_failing_checks_show_the_records_and_the_way_out(
    instance: dg.DagsterInstance, sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    sandbox.set_fault("status", "nomis", code=500, path="/visits/{visitId}", limit=2)
    sandbox.set_fault("drop_after", "visits", limit=1, method="POST")
    sandbox.set_fault("status", "mapping", code=500, method="POST", path="/mapping/visits")
    result = job("migrate_visits").execute_in_process(instance=instance, partition_key=PARTITION)
    assert result.success
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name for name, check in checks.items() if not check.passed} == CHECKS - {"no_duplicates"}
    failed = reader.records("visits", states=["failed"])
    assert len(failed) == 2
    check = checks["no_failures"]
    assert check.metadata["count"].value == 2
    assert all(record.nomis_key in str(check.metadata["records"].value) for record in failed)
    assert "retry_failed_visits" in str(check.metadata["how to put it right"].value)
    assert check.severity is dg.AssetCheckSeverity.ERROR

    sandbox.clear_faults()
    assert job("retry_failed_visits").execute_in_process(instance=instance).success
    assert job("retry_mappings").execute_in_process(instance=instance).success
    states = {record.state.value for record in reader.records("visits", states=["failed", "written", "in_doubt"])}
    assert states == {"in_doubt"}
    assert sandbox.agreement()["visits"]["dps_surplus"] == 0


@pytest.mark.server
def test_retrying_takes_up_rejected_records_when_told_to(
    instance: dg.DagsterInstance, sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    days = sandbox.settings(refused_after_days=0)
    assert days["refused_after_days"] == 0
    by_filter(instance, {"prisonIds": ["BXI"], "fromDateTime": "2026-02-01T00:00:00"})
    refused = [
        row for row in reader.records("visits", states=["rejected"]) if row.reason == "refused-by-visit-scheduler"
    ]
    assert refused
    sandbox.settings(refused_after_days=100_000)
    retry = job("retry_failed_visits")
    assert retry.execute_in_process(instance=instance).success
    assert reader.counts("visits")["rejected"] >= len(refused)
    config = {"ops": {"retry": {"config": {"rejected": True}}}}
    assert retry.execute_in_process(instance=instance, run_config=config).success
    assert {record.reason for record in reader.records("visits", states=["rejected"])} <= {
        "no-room-mapping", "unknown-visit-status", "unknown-visit-outcome",
    }  # fmt: skip


def by_filter(instance: dg.DagsterInstance, filter: dict[str, Any], **options: Any) -> Any:
    config = {"ops": {"plan_pages": {"config": {"filter": filter}}}}
    return job("migrate_visits_by_filter").execute_in_process(instance=instance, run_config=config, **options)


@pytest.mark.server
def test_a_free_run_reports_the_partitions_that_it_covered_whole_and_no_others(instance: dg.DagsterInstance) -> None:
    window = {"fromDateTime": "2024-04-10T00:00:00", "toDateTime": "2024-07-01T00:00:00"}
    assert by_filter(instance, {"prisonIds": ["BXI", "HEI"], **window}).success
    assert partitions_filled(instance) == {
        f"{prison}|2024-{month}" for prison in ("BXI", "HEI") for month in ("05", "06")
    }


@pytest.mark.server
def test_a_sweep_of_every_prison_reports_every_prison_of_the_grid(instance: dg.DagsterInstance) -> None:
    window = {"fromDateTime": "2024-05-01T00:00:00", "toDateTime": "2024-05-02T00:00:00"}
    assert by_filter(instance, window).success
    assert partitions_filled(instance) == set()
    assert by_filter(instance, {**window, "toDateTime": "2024-06-01T00:00:00"}).success
    assert partitions_filled(instance) == {f"{prison}|2024-05" for prison in ("BXI", "HEI", "MDI")}


@pytest.mark.server
def test_pages_are_worked_to_their_end_one_after_another(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nomis_pipelines.settings import load_settings

    monkeypatch.setenv("NOMIS_PIPELINES_PAGE_SIZE", "50")
    load_settings.cache_clear()
    result = by_filter(instance, {"prisonIds": ["BXI"]})
    order = [event.step_key for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_START]
    pages = (len(order) - 2) // len(STAGES)
    assert pages > 2
    expected = [f"{stage}[page_{page:05d}]" for page in range(pages) for stage in STAGES]
    assert order == ["plan_pages", *expected, "finish"]


@pytest.mark.server
@pytest.mark.parametrize(
    ("partition", "message"),
    [
        ("ZZI|2024-05", "ZZI is not a known prison; add it to NOMIS_PIPELINES_PRISONS or to the dynamic partitions"),
        ("HEI|2009-01", "the first month is 2010-01"),
        ("2024-05|HEI", "a key is a prison and a month, such as HEI"),
    ],
)
def test_a_partition_that_is_none_is_refused_before_anything_is_read(
    partition: str, message: str, instance: dg.DagsterInstance, sandbox: SandboxAdmin
) -> None:
    result = job("migrate_visits").execute_in_process(
        instance=instance, tags={"dagster/partition": partition}, raise_on_error=False
    )
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert message in str(failure.step_failure_data.error)
    assert sandbox.counts()["nomis"]["requests"] == []


@pytest.mark.server
def test_a_prison_added_in_the_ui_may_be_migrated(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(PRISONS_SET, ["ZZI"])
    assert job("migrate_visits").execute_in_process(instance=instance, partition_key="ZZI|2024-05").success
    assert partitions_filled(instance) == {"ZZI|2024-05"}


@pytest.mark.server
def test_a_known_prison_needs_nobody_to_add_it_first(in_environment: None) -> None:
    with dg.DagsterInstance.ephemeral() as fresh:
        result = job("migrate_visits").execute_in_process(instance=fresh, tags={"dagster/partition": PARTITION})
        assert result.success
        assert partitions_filled(fresh) == {PARTITION}


@pytest.mark.server
def test_an_unknown_field_of_a_filter_fails_the_run_with_its_name(instance: dg.DagsterInstance) -> None:
    result = by_filter(instance, {"prisonId": ["HEI"]}, raise_on_error=False)
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "prisonId unknown; there are prisonIds" in str(failure.step_failure_data.error)


@pytest.mark.server
def test_a_run_is_retried_whole_also_in_the_job_that_backfills_use(instance: dg.DagsterInstance) -> None:
    backfills = build_definitions((VISITS,)).resolve_job_def("__ASSET_JOB")
    run_id = backfills.execute_in_process(instance=instance, partition_key=PARTITION).run_id
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags["dagster/retry_strategy"] == "ALL_STEPS"


@pytest.mark.server
def test_a_run_whose_dps_is_down_fails_and_its_history_says_so(
    instance: dg.DagsterInstance, sandbox: SandboxAdmin, reader: LedgerReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nomis_pipelines.settings import load_settings

    monkeypatch.setenv("NOMIS_PIPELINES_BREAKER_SECONDS", "1")
    load_settings.cache_clear()
    sandbox.set_fault("status", "visits", code=503)
    result = by_filter(instance, {"prisonIds": ["BXI"]}, raise_on_error=False)
    assert not result.success
    row = reader.latest("VISITS")
    assert row is not None
    assert row.status is MigrationStatus.FAILED
    assert not {"writing", "in_doubt"} & set(reader.counts("visits"))
    assert partitions_filled(instance) == set()


@pytest.fixture
def home(tmp_path: Path, environment: dict[str, str]) -> Iterator[dg.DagsterInstance]:
    """An instance on disk, for runs in a process of their own."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").touch()
    environment["DAGSTER_HOME"] = str(folder)
    with dg.DagsterInstance.from_config(str(folder)) as made:
        made.add_dynamic_partitions(PRISONS_SET, ["BXI"])
        yield made


def launch(environment: dict[str, str], filter: dict[str, Any]) -> subprocess.Popen[str]:
    config = Path(environment["DAGSTER_HOME"]) / "config.yaml"
    config.write_text(json.dumps({"ops": {"plan_pages": {"config": {"filter": filter}}}}))
    command = ["-m", "dagster", "job", "execute", "-m", "nomis_pipelines.definitions", "-j", "migrate_visits_by_filter"]
    return subprocess.Popen(
        [sys.executable, *command, "--config", str(config)],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def under_way(reader: LedgerReader, process: subprocess.Popen[str], *, at_least: int) -> Progress:
    """Wait until a run has written so many records."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        counts = reader.counts("visits")
        if counts.get("written", 0) + counts.get("mapped", 0) >= at_least:
            progress = reader.latest_progress("visits")
            assert progress is not None
            return progress
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the run did not get under way: {process.communicate()[0][-3000:]}")


SLOW = {"NOMIS_PIPELINES_PAGE_SIZE": "200", "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": "8",
        "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": "8"}  # fmt: skip


def nothing_hangs_in_the_air(reader: LedgerReader, sandbox: SandboxAdmin, migration_id: str) -> None:
    counts = reader.counts("visits")
    assert not {"writing", "in_doubt", "written"} & set(counts), counts
    agreement = sandbox.agreement()["visits"]
    assert agreement["dps_records"] == agreement["dps_distinct"] == agreement["mappings"] == counts["mapped"]
    assert 0 < counts["mapped"] < 2000
    row = reader.migration(migration_id)
    assert row is not None
    assert row.status is MigrationStatus.CANCELLED
    assert row.when_ended is not None
    assert row.records_migrated == counts["mapped"]


@pytest.mark.server
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("asked", [True, False], ids=["through_the_instance", "by_the_signal_alone"])
def test_a_terminated_run_finishes_what_is_in_flight_and_closes_its_history(
    number: signal.Signals, asked: bool, home: dg.DagsterInstance, environment: dict[str, str], sandbox: SandboxAdmin,
    reader: LedgerReader,
) -> None:  # fmt: skip
    sandbox.set_fault("latency", "visits", milliseconds=20)
    process = launch({**environment, **SLOW}, {})
    progress = under_way(reader, process, at_least=250)
    run = home.get_run_by_id(str(progress.run_id))
    assert run is not None
    if asked:  # what Dagster's launcher does: it notes the wish, then signals the process
        home.report_run_canceling(run)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    nothing_hangs_in_the_air(reader, sandbox, progress.migration_id)
    ended = home.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is (dg.DagsterRunStatus.CANCELED if asked else dg.DagsterRunStatus.FAILURE), output[-3000:]


@pytest.mark.server
def test_a_cancel_in_the_ledger_ends_the_run_as_cancelled(
    home: dg.DagsterInstance, environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    import asyncio

    from nomis_pipelines.ledger import Ledger

    async def cancel(migration_id: str) -> None:
        async with await Ledger.open(environment["DATABASE_URL"]) as ledger:
            await ledger.request_cancel(migration_id, datetime.now(UTC))

    sandbox.set_fault("latency", "visits", milliseconds=20)
    process = launch({**environment, **SLOW}, {})
    progress = under_way(reader, process, at_least=250)
    asyncio.run(cancel(progress.migration_id))
    output = process.communicate(timeout=60)[0]
    nothing_hangs_in_the_air(reader, sandbox, progress.migration_id)
    ended = home.get_run_by_id(str(progress.run_id))
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.CANCELED, output[-3000:]  # which Dagster does not retry
    assert set(home.get_materialized_partitions(VISITS_KEY)) == set()
