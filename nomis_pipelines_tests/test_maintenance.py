"""Promise: what looks after all domains does what it says: duplicates, dead letters, consumers, repairs, schedules."""

import asyncio
from collections.abc import Iterator
from typing import Any

import boto3
import dagster as dg
import pytest

from nomis_pipelines.contracts.adjustments import LegacyAdjustment
from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentCalls, AdjustmentKey
from nomis_pipelines.ledger import LedgerReader, State
from nomis_pipelines.platform import Platform
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines.settings import load_settings
from nomis_pipelines_tests.e2e.test_synchronisation import event

pytestmark = pytest.mark.server

DOMAIN = "sentencing_adjustments"
ASSET = dg.AssetKey(["dps", DOMAIN])
BOOKING = 1_000_003


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


@pytest.fixture
def queue(in_environment: None, environment: dict[str, str]) -> Iterator[Any]:
    """The queue of adjustments, emptied afterwards."""
    yield sqs_queue(environment, "QUEUE_NAME")
    for name in ("QUEUE_NAME", "DLQ_NAME"):
        while messages := sqs_queue(environment, name).receive_messages(MaxNumberOfMessages=10):
            for message in messages:
                message.delete()


def sqs_queue(environment: dict[str, str], suffix: str) -> Any:
    sqs = boto3.resource("sqs", endpoint_url=environment["AWS_ENDPOINT_URL_SQS"], region_name=environment["AWS_REGION"])
    return sqs.get_queue_by_name(QueueName=environment[f"HMPPS_SQS_QUEUES_EVENTSENTENCING_{suffix}"])


def execute(definitions: dg.Definitions, name: str, op: str = "", **config: Any) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {op: {"config": config}}} if op else {}
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(name).execute_in_process(instance=instance, run_config=run_config)


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [event for event in result.all_events if event.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def plant_duplicate(*, mapped_is_surplus: bool = False) -> tuple[str, str]:
    """One adjustment twice in DPS, the mapping pointing to one of the two: (kept, surplus) as the ledger has them."""
    key = AdjustmentKey("SENTENCE", 1)

    async def work() -> tuple[str, str]:
        async with Platform.open(load_settings()) as platform:
            calls = AdjustmentCalls(platform.clients)
            read = await calls.read(key)
            body = LegacyAdjustment(
                booking_id=read.booking_id,
                offender_no=read.offender_no,
                adjustment_type="RX",
                adjustment_days=read.adjustment_days,
                active=True,
                booking_released=False,
            )
            kept, surplus = await calls.create(body), await calls.create(body)
            pair = {
                "nomisAdjustmentId": key.id,
                "nomisAdjustmentCategory": key.category,
                "adjustmentId": surplus if mapped_is_surplus else kept,
                "mappingType": "NOMIS_CREATED",
            }
            await calls.post_mapping(pair)
            await platform.ledger.claim(key.ledger_key)
            await platform.ledger.written(key.ledger_key, dps_id=surplus, mapping={**pair, "adjustmentId": surplus})
            await platform.ledger.duplicate(key.ledger_key, dps_id=surplus, existing_dps_id=kept)
            return kept, surplus

    return asyncio.run(work())


def in_dps(sandbox: SandboxAdmin) -> set[str]:
    return {str(row["id"]) for row in sandbox.records("/adjustments")["content"]}


def state_of(environment: dict[str, str]) -> State | None:
    with LedgerReader(environment["DATABASE_URL"]) as reader:
        record = reader.record(AdjustmentKey("SENTENCE", 1).ledger_key)
        return record.state if record is not None else None


def test_resolving_duplicates_is_a_dry_run_unless_told_otherwise(
    in_environment: None, definitions: dg.Definitions, sandbox: SandboxAdmin, environment: dict[str, str]
) -> None:
    kept, surplus = plant_duplicate()
    dry = metadata_of(execute(definitions, "resolve_duplicates"))
    assert (dry["duplicates"], dry["dry_run"]) == (1, True)
    assert "would be deleted" in dry["actions"]
    assert in_dps(sandbox) == {kept, surplus}
    assert state_of(environment) is State.DUPLICATE

    done = metadata_of(execute(definitions, "resolve_duplicates", "resolve", dry_run=False))
    assert "| deleted" in done["actions"]
    assert in_dps(sandbox) == {kept}
    assert state_of(environment) is State.MAPPED
    assert metadata_of(execute(definitions, "resolve_duplicates"))["duplicates"] == 0


def test_a_record_that_is_mapped_is_never_deleted(
    in_environment: None, definitions: dg.Definitions, sandbox: SandboxAdmin, environment: dict[str, str]
) -> None:
    kept, surplus = plant_duplicate(mapped_is_surplus=True)
    done = metadata_of(execute(definitions, "resolve_duplicates", "resolve", dry_run=False, domain=DOMAIN))
    assert "left: the mapping service maps it to" in done["actions"]
    assert in_dps(sandbox) == {kept, surplus}
    assert state_of(environment) is State.DUPLICATE


def test_dead_letters_go_back_to_their_queue(
    queue: Any, definitions: dg.Definitions, environment: dict[str, str]
) -> None:
    sqs_queue(environment, "DLQ_NAME").send_message(MessageBody="a dead letter")
    moved = metadata_of(execute(definitions, "retry_dead_letters"))
    assert moved["eventsentencing"] == 1
    (message,) = queue.receive_messages(WaitTimeSeconds=2)
    assert message.body == "a dead letter"


def test_a_consumer_run_handles_the_queue_and_observes_the_asset(
    queue: Any, definitions: dg.Definitions, sandbox: SandboxAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMIS_PIPELINES_CONSUMER_IDLE_SECONDS", "2")
    load_settings.cache_clear()
    made = sandbox.add_adjustment("SENTENCE", BOOKING, adjustmentType={"code": "RX", "description": "Remand"})
    queue.send_message(MessageBody=event(made))
    result = execute(definitions, f"synchronise_{DOMAIN}")
    assert result.success
    observed = [
        found.asset_observation_data.asset_observation for found in result.all_events if found.is_asset_observation
    ]
    assert {found.asset_key for found in observed} == {ASSET}
    report = next(found.metadata for found in observed if found.metadata["queue"].value == "eventsentencing")
    assert report["handled"].value == 1
    assert "SENTENCE_ADJUSTMENT_UPSERTED" in str(report["events"].value)
    assert sandbox.agreement()["adjustments"]["mappings"] == 1


def test_the_sensor_starts_a_consumer_when_there_is_work_and_none_is_alive(
    queue: Any, definitions: dg.Definitions
) -> None:
    sensor: Any = definitions.resolve_sensor_def(f"{DOMAIN}_events")
    with dg.DagsterInstance.ephemeral() as instance:

        def tick() -> Any:
            return sensor(dg.build_sensor_context(instance=instance))

        assert tick().skip_message == "nothing to do"
        queue.send_message(MessageBody="anything")
        assert isinstance(tick(), dg.RunRequest)
        job = definitions.resolve_job_def(f"synchronise_{DOMAIN}")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert tick().skip_message == "a consumer is alive"


def test_a_sensor_without_a_configured_queue_says_which(
    in_environment: None, definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HMPPS_SQS_QUEUES_EVENTVISITS_QUEUE_NAME")
    load_settings.cache_clear()
    sensor: Any = definitions.resolve_sensor_def("visits_events")
    with dg.DagsterInstance.ephemeral() as instance:
        skipped = sensor(dg.build_sensor_context(instance=instance))
    assert skipped.skip_message == "no queue is configured: eventvisits"


def test_a_repair_is_a_job_with_its_parameters_as_configuration(
    in_environment: None, definitions: dg.Definitions, sandbox: SandboxAdmin
) -> None:
    made = sandbox.add_adjustment("KEY-DATE", BOOKING, adjustmentType={"code": "ADA", "description": "ADA"})
    result = execute(definitions, f"repair_{DOMAIN}_merge", "repair", bookingId=made["bookingId"])
    assert result.success
    assert sandbox.agreement()["adjustments"]["mappings"] >= 1


def test_a_repair_with_a_wrong_parameter_says_which(in_environment: None, definitions: dg.Definitions) -> None:
    with pytest.raises(dg.Failure, match="bookingId"):
        execute(definitions, f"repair_{DOMAIN}_merge", "repair", bookingId="many")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("retry_mappings_every_ten_minutes", "NOMIS_PIPELINES_RETRY_MAPPINGS_ENABLED"),
        ("retry_failed_visits_every_ten_minutes", "NOMIS_PIPELINES_RETRY_FAILED_ENABLED"),
    ],
)
def test_a_schedule_starts_nothing_without_work_or_when_a_setting_says_so(
    in_environment: None, definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    schedule: Any = definitions.resolve_schedule_def(name)
    with dg.build_schedule_context() as context:
        assert schedule(context).skip_message == "nothing to retry"
        monkeypatch.setenv(variable, "false")
        load_settings.cache_clear()
        assert schedule(context).skip_message == f"{variable} is false"


def test_dead_letters_are_retried_by_themselves_only_when_switched_on(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("retry_dead_letters_every_ten_minutes")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
