"""Promise: `dagster.yaml` and `workspace.yaml` are what Dagster accepts, and say what the design asks for."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.fixture
def instance(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance made from our `dagster.yaml` on a fresh database."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    # Dagster's storage speaks through psycopg2, which has no driver name in its addresses
    monkeypatch.setenv("NOMIS_PIPELINES_DAGSTER_DATABASE_URL", database_url.replace("+psycopg", ""))
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@pytest.mark.server
def test_the_instance_loads_and_keeps_everything_in_postgresql(instance: dg.DagsterInstance):
    for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        assert type(storage).__module__.startswith("dagster_postgres"), storage
    assert type(instance.compute_log_manager).__name__ == "NoOpComputeLogManager"
    assert not instance.telemetry_enabled
    assert instance.managed_python_loggers == ["nomis_pipelines"]


@pytest.mark.server
def test_runs_are_queued_one_at_a_time_for_a_prison(instance: dg.DagsterInstance):
    concurrency = instance.get_concurrency_config()
    assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
    queue = concurrency.run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 60  # consumers of events hold a place for as long as they live
    assert list(queue.tag_concurrency_limits) == [
        {"key": "dagster/partition", "limit": 6},
        {"key": "dagster/partition/prison", "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
    ]
    assert concurrency.pool_config.default_pool_limit == 6


@pytest.mark.server
def test_failed_runs_are_retried_and_dead_ones_noticed(instance: dg.DagsterInstance):
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 3
    assert instance.run_retries_retry_on_asset_or_op_failure
    assert instance.run_monitoring_enabled


@pytest.mark.server
def test_sensors_do_not_wait_for_one_another(instance: dg.DagsterInstance):
    assert instance.get_settings("sensors") == {"use_threads": True, "num_workers": 8}


@pytest.mark.server
def test_ticks_are_purged(instance: dg.DagsterInstance):
    retention = instance.get_settings("retention")
    assert retention["schedule"]["purge_after_days"] == 90
    assert set(retention["sensor"]["purge_after_days"]) == {"skipped", "failure", "success", "started"}


def test_the_workspace_names_the_definitions():
    workspace: Any = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    assert workspace == {
        "load_from": [
            {"python_module": {"module_name": "nomis_pipelines.definitions", "location_name": "nomis-pipelines"}}
        ]
    }
