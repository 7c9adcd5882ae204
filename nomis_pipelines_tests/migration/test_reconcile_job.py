"""Promise: the nightly job leaves counts, a picture and a report, and what it finds reaches the alerts."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from nomis_pipelines.alerting import failed_checks
from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.domains import DOMAINS
from nomis_pipelines.migration.grid import PRISONS_SET
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines.settings import load_settings

DEFINITIONS = build_definitions()
MONTH = {"from_month": "2024-05", "to_month": "2024-05"}


def test_every_domain_has_its_job_and_a_nightly_schedule_that_is_off() -> None:
    repository = DEFINITIONS.get_repository_def()
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    for domain in DOMAINS:
        assert f"reconcile_{domain.name}" in repository.job_names
        schedule = schedules[f"reconcile_{domain.name}_nightly"]
        assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/London")
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_the_schedule_runs_at_two_in_summer_and_in_winter_and_asks_for_everything() -> None:
    schedule: Any = DEFINITIONS.resolve_schedule_def("reconcile_visits_nightly")
    for day in ("2026-01-10T02:00+00:00", "2026-07-10T01:00+00:00"):
        with dg.build_schedule_context(scheduled_execution_time=datetime.fromisoformat(day)) as context:
            (request,) = schedule.evaluate_tick(context).run_requests
        assert request.run_config == {}


@pytest.fixture
def instance(in_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("NOMIS_PIPELINES_REPORT_DIRECTORY", str(tmp_path / "reports"))
    load_settings.cache_clear()
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(PRISONS_SET, ["HEI", "BXI", "MDI"])
        yield made


def reconcile(instance: dg.DagsterInstance, **config: Any) -> Any:
    job = DEFINITIONS.resolve_job_def("reconcile_visits")
    run_config = {"ops": {"reconcile": {"config": {**MONTH, **config}}}}
    return job.execute_in_process(instance=instance, run_config=run_config)


def observed(result: Any) -> dict[str, Any]:
    (event,) = result.get_asset_observation_events()
    return {name: value.value for name, value in event.asset_observation_data.asset_observation.metadata.items()}


@pytest.mark.server
def test_before_a_migration_all_is_missing_and_after_it_nothing(
    instance: dg.DagsterInstance, sandbox: SandboxAdmin, tmp_path: Path
) -> None:
    first = reconcile(instance)
    before = observed(first)
    assert before["missing"] == before["in_nomis"] == before["never_migrated"] > 0
    (check,) = failed_checks(instance, first.run_id)
    assert (check.asset, check.name) == ("dps/visits", "reconciled")
    assert "nomis-pipelines migrate visits" in check.advice
    assert before["completeness"].startswith("![mapped records in percent](data:image/png;base64,iVBOR")
    assert Path(before["report"]).parent == tmp_path / "reports"
    assert "never_migrated" in Path(before["report"]).read_text()
    assert "BXI" in before["where they differ"]

    migrate = DEFINITIONS.resolve_job_def("migrate_visits_by_filter")
    start, end = "2024-05-01T00:00:00", "2024-06-01T00:00:00"
    filter = {"fromDateTime": start, "toDateTime": end}
    assert migrate.execute_in_process(
        instance=instance, run_config={"ops": {"plan_pages": {"config": {"filter": filter}}}}
    ).success
    second = reconcile(instance)
    after = observed(second)
    assert after["in_nomis"] == before["in_nomis"]
    assert after["mapped"] == sandbox.agreement()["visits"]["mappings"]
    assert after["missing"] == after["rejected"]
    assert list(failed_checks(instance, second.run_id)) == []
    assert json.dumps(after).count("Visitor") == 0

    one = observed(reconcile(instance, prisons=["BXI"]))
    assert 0 < one["in_nomis"] < after["in_nomis"]


@pytest.mark.server
def test_without_a_configuration_the_whole_domain_is_reconciled(
    instance: dg.DagsterInstance, sandbox: SandboxAdmin
) -> None:
    job = DEFINITIONS.resolve_job_def("reconcile_visits")
    result = job.execute_in_process(instance=instance)
    found = observed(result)
    assert found["in_nomis"] > 1000
    assert found["never_migrated"] == found["in_nomis"]
