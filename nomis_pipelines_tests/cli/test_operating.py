"""Promise: an operator sees from the command line where every migration and record stands, and decides from there."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from nomis_pipelines.cli.main import COMMANDS, cli
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.ledger import Ledger, LedgerReader, RecordKey, State
from nomis_pipelines.sandbox import SandboxAdmin

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("in_environment")]

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def url(environment: dict[str, str]) -> str:
    return environment["DATABASE_URL"]


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=answer)


def listed(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def with_ledger(url: str, work: Callable[[Ledger], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        async with await Ledger.open(url) as ledger:
            return await work(ledger)

    return asyncio.run(call())


def key(number: int | str) -> RecordKey:
    return VISITS.migration.record_key(str(number))


def state_of(url: str, number: int | str) -> str | None:
    with LedgerReader(url) as reader:
        record = reader.record(key(number))
    return str(record.state) if record is not None else None


async def start(ledger: Ledger, **more: Any) -> str:
    return await ledger.start_migration(
        migration_type="VISITS", domain="visits", filter_json='{"prisonIds":["HEI"]}', estimated=100, now=NOW, **more
    )


async def fail(ledger: Ledger, number: int, reason: str = "http-500", migration_id: str | None = "m") -> None:
    await ledger.claim(key(number), migration_id=migration_id)
    await ledger.failed(key(number), reason=reason, status=500, migration_id=migration_id)


async def doubt(ledger: Ledger, number: int, migration_id: str | None = "2026-03-10T09:00:00") -> None:
    await ledger.claim(key(number), migration_id=migration_id, partition="HEI|2024-05" if migration_id else None)
    await ledger.in_doubt(key(number))


def test_an_empty_ledger_says_so_in_each_list() -> None:
    assert run("history").output == "no migrations\n"
    assert run("status").output == "no migrations\n"
    assert run("failures", "visits").output == "no failures of visits\n"
    assert "nothing is in doubt" in run("in-doubt", "list").output
    assert run("duplicates", "list").output == "no duplicates\n"
    for command in ("history", "status", "failures visits", "in-doubt list", "duplicates list"):
        assert listed(*command.split()) == [], command


def test_history_and_status_tell_of_a_running_migration(url: str) -> None:
    async def work(ledger: Ledger) -> str:
        migration_id = await start(ledger, run_id="0123", partition="HEI|2024-05")
        await ledger.save_progress(
            migration_id, {"processed": 40, "migrated": 30, "failed": 6, "rejected": 3, "in_doubt": 1}
        )
        return migration_id

    migration_id = with_ledger(url, work)
    (row,) = listed("history", "visits")
    assert (row["migration_id"], row["status"]) == (migration_id, "STARTED")
    assert (row["records_migrated"], row["records_failed"]) == (30, 10)
    (found,) = listed("status")
    assert found == listed("status", migration_id)[0] == listed("status", "visits")[0]
    assert (found["processed"], found["estimated"], found["status"]) == (40, 100, "STARTED")
    assert found["records_a_second"] >= 0
    assert found["run_url"].endswith("/runs/0123")
    assert "3 rejected, 6 failed, 1 in doubt" in run("status", migration_id).output
    assert listed("history", "--prison", "MDI") == []
    assert "HEI" in run("history", "--prison", "HEI").output


def test_status_of_something_unknown_is_an_error_of_one_line() -> None:
    nowhere = run("status", "2020-01-01T00:00:00")
    assert (nowhere.exit_code, nowhere.output) == (1, "Error: migration 2020-01-01T00:00:00 is not in the history\n")
    assert run("status", "vists").exit_code == 2
    assert "there are: visits" in run("history", "vists").output


def test_a_migration_is_asked_to_stop_once(url: str, environment: dict[str, str]) -> None:
    async def work() -> str:
        async with await Ledger.open(url) as ledger:
            migration_id = await start(ledger)
            result = await asyncio.to_thread(run, "cancel", migration_id)
            assert result.output.endswith(f"migration {migration_id} is CANCELLED_REQUESTED\n"), result.output
            await ledger.end_migration(migration_id, status="CANCELLED", migrated=0, failed=0, now=NOW)
        return migration_id

    migration_id = asyncio.run(work())
    with open(environment["NOMIS_PIPELINES_TELEMETRY_FILE"]) as lines:  # noqa: PTH123
        events = [json.loads(line) for line in lines]
    assert [event["name"] for event in events] == ["visits-migration-cancel-requested"]
    assert events[0]["properties"]["migrationId"] == migration_id
    again = run("cancel", migration_id)
    assert (again.exit_code, "has ended already: it is CANCELLED" in again.output) == (1, True)
    assert "is not in the history" in run("cancel", "2020-01-01T00:00:00").output


def test_a_migration_whose_process_has_died_cannot_be_waited_for(url: str) -> None:
    migration_id = with_ledger(url, start)
    result = run("cancel", migration_id, "--wait")
    assert (result.exit_code, "its process has died; it is FAILED now" in result.output) == (1, True)
    assert listed("status", migration_id)[0]["status"] == "FAILED"


def test_failures_are_counted_by_reason_with_examples_and_dismissed(url: str) -> None:
    async def work(ledger: Ledger) -> None:
        for number in range(1, 6):
            await fail(ledger, number)
        await fail(ledger, 6, reason="AttributeError")
        await ledger.rejected(key(7), reason="no-room-mapping", migration_id="m")

    with_ledger(url, work)
    rows = listed("failures", "visits", "--examples", "2")
    assert [(row["state"], row["reason"], row["count"], row["examples"]) for row in rows] == [
        ("failed", "http-500", 5, ["1", "2"]),
        ("failed", "AttributeError", 1, ["6"]),
        ("rejected", "no-room-mapping", 1, ["7"]),
    ]
    assert "1, 2, 3" in run("failures", "visits").output
    assert run("failures", "dismiss", "visits").exit_code == 2
    assert "1 records dismissed" in run("failures", "dismiss", "visits", "6").output
    refused = run("failures", "dismiss", "visits", "6", "99")
    assert (refused.exit_code, "2 of the 2 are not failed or rejected" in refused.output) == (1, True)
    assert run("failures", "dismiss", "visits", "--reason", "http-500", answer="n\n").exit_code == 1
    assert "5 records dismissed" in run("failures", "dismiss", "visits", "--reason", "http-500", "--yes").output
    assert [row["reason"] for row in listed("failures", "list", "visits")] == ["no-room-mapping"]


def test_failed_records_are_migrated_again_under_their_migration(url: str, sandbox: SandboxAdmin) -> None:
    visit = int(sandbox.add_visit()["visitId"])
    with_ledger(url, lambda ledger: fail(ledger, visit, migration_id="2026-03-10T09:00:00"))
    result = run("failures", "retry", "visits", "--json")
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert counts["listed"] == 1
    assert counts.get("migrated", 0) + counts.get("rejected", 0) == 1
    assert "nothing to do" in run("failures", "retry", "visits").output


@pytest.mark.parametrize(("migration_id", "label"), [("2026-03-10T09:00:00", "2026-03-10T09:00:00"), (None, None)])
def test_a_record_in_doubt_is_adopted_with_the_mapping_its_origin_asks_for(
    url: str, migration_id: str | None, label: str | None
) -> None:
    with_ledger(url, lambda ledger: doubt(ledger, 1, migration_id))
    (row,) = listed("in-doubt", "list", "visits")
    assert (row["nomis_id"], row["migration_id"]) == ("1", migration_id)
    assert ("an event" if migration_id is None else migration_id) in run("in-doubt", "list").output
    result = run("in-doubt", "adopt", "visits", "1", "aa-bb-cc-dd")
    assert "visits 1 is DPS record aa-bb-cc-dd, to be mapped" in result.output
    assert "nomis-pipelines mappings retry visits" in result.output
    with LedgerReader(url) as reader:
        record = reader.record(key(1))
    assert record is not None
    assert record.mapping is not None
    assert record.mapping.get("label") == label
    assert record.mapping["mappingType"] == ("MIGRATED" if label else "NOMIS_CREATED")
    assert listed("in-doubt", "list") == []
    mapped = run("mappings", "retry", "visits", "--json")
    if label:
        assert json.loads(mapped.stdout)["migrated"] == 1, mapped.output
        assert state_of(url, 1) == State.MAPPED
    else:  # no event ever makes a visit, so the mapping service refuses it
        assert (mapped.exit_code, state_of(url, 1)) == (1, State.WRITTEN)
        assert "1 mappings were refused again" in mapped.output


def test_an_adoption_is_refused_when_the_mapping_service_knows_better(url: str) -> None:
    async def both(ledger: Ledger) -> None:
        await doubt(ledger, 1)

    with_ledger(url, both)
    assert "mappings: 1 listed, 1 migrated" in run("in-doubt", "adopt", "visits", "1", "aa-aa", "--map").output

    async def again(ledger: Ledger) -> None:
        claim = await ledger.claim(key(1))
        await ledger.claim(key(1), settled_version=claim.version)
        await ledger.in_doubt(key(1))

    with_ledger(url, again)
    refused = run("in-doubt", "adopt", "visits", "1", "bb-bb")
    assert (refused.exit_code, "is mapped to DPS record aa-aa" in refused.output) == (1, True)
    assert "mapped already" in run("in-doubt", "adopt", "visits", "1", "aa-aa").output
    assert state_of(url, 1) == State.MAPPED
    assert "is mapped, not in_doubt" in run("in-doubt", "adopt", "visits", "1", "aa-aa").output
    assert "is not in the ledger, not in_doubt" in run("in-doubt", "adopt", "visits", "5", "aa-aa").output


def test_a_record_that_dps_has_not_is_written_again_after_a_question(url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await doubt(ledger, 1)
        await doubt(ledger, 2, None)

    with_ledger(url, work)
    assert run("in-doubt", "rewrite", "visits", "1", answer="n\n").exit_code == 1
    assert state_of(url, 1) == State.IN_DOUBT
    result = run("in-doubt", "rewrite", "visits", "1", "2", "--yes")
    assert "2 will be written again" in result.output
    assert "nomis-pipelines failures retry visits" in result.output
    assert "nomis-pipelines queues retry" in result.output
    assert state_of(url, 1) == state_of(url, 2) == State.FAILED
    assert run("in-doubt", "rewrite", "visits", "1", "--yes").exit_code == 1


def test_what_a_dead_process_left_is_in_doubt(url: str) -> None:
    with_ledger(url, lambda ledger: ledger.claim(key(3)))
    assert [row["nomis_id"] for row in listed("in-doubt", "list")] == ["3"]


def test_duplicates_are_listed_and_nothing_is_deleted_unless_told_to(url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.claim(key(1), migration_id="m")
        await ledger.written(key(1), dps_id="new", mapping={"nomisId": 1})
        await ledger.duplicate(key(1), dps_id="new", existing_dps_id="old")

    with_ledger(url, work)
    (row,) = listed("duplicates", "list", "visits")
    assert (row["nomis_id"], row["surplus"], row["kept"]) == ("1", "new", "old")
    # the visit scheduler has no way to delete a migrated visit
    dry = run("duplicates", "resolve", "visits")
    assert (dry.exit_code, "by hand" in dry.output, "duplicates deleted DOMAIN" in dry.output) == (0, True, True)
    forced = run("duplicates", "resolve", "--yes")
    assert (forced.exit_code, "1 of 1 duplicates are left" in forced.output) == (1, True)


def test_a_duplicate_deleted_by_hand_is_struck_off_unless_the_mapping_service_knows_better(
    url: str, environment: dict[str, str], sandbox: SandboxAdmin
) -> None:
    async def work(ledger: Ledger) -> None:
        for number in (1, 2):
            await ledger.claim(key(number), migration_id="m")
            await ledger.written(key(number), dps_id=f"new-{number}", mapping={"nomisId": number})
            await ledger.duplicate(key(number), dps_id=f"new-{number}", existing_dps_id=f"old-{number}")

    with_ledger(url, work)
    for number, mapped in ((1, "old-1"), (2, "new-2")):
        httpx.post(
            f"{environment['API_BASE_URL_MAPPING']}/mapping/visits",
            json={"nomisId": number, "vsipId": mapped, "mappingType": "MIGRATED"},
            headers={"Authorization": f"Bearer {sandbox.token('nomis-mapping-api')}"},
        ).raise_for_status()
    done = run("duplicates", "deleted", "visits", "1")
    assert (done.exit_code, done.stdout) == (0, "visits 1: new-1 is gone, old-1 kept\n")
    assert state_of(url, 1) == "mapped"
    for number, words in (
        (1, "visits 1 is mapped, not duplicate"),
        (2, "maps it to new-2, not to old-2"),
        (3, "not in the ledger"),
    ):
        refused = run("duplicates", "deleted", "visits", str(number))
        assert (refused.exit_code, words in refused.output) == (1, True), refused.output
    assert [row["nomis_id"] for row in listed("duplicates", "list")] == ["2"]


def test_domains_tell_what_is_declared() -> None:
    (visits,) = [row for row in listed("domains") if row["domain"] == "visits"]
    assert visits["migration_type"] == "VISITS"
    assert "prisonIds" in visits["filter"]
    assert "HEI|2010-01" in visits["partitions"]
    assert "HEI|2010-01" in run("domains", "visits").output


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_and_the_name_it_is_listed_by(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0, result.output
    assert f" {command} " in result.output.splitlines()[0]
