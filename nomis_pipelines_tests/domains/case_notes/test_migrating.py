"""Promise: prisoners' notes are in DPS once each whatever goes wrong, also when events and migration meet."""

from typing import Any

import pytest

from nomis_pipelines.domains.case_notes import CASE_NOTES
from nomis_pipelines.domains.case_notes.clients import ledger_key
from nomis_pipelines.domains.case_notes.migration import CaseNotesMigration
from nomis_pipelines.domains.case_notes.notes import CaseNoteEvent, CaseNoteWork
from nomis_pipelines.http import NotFound
from nomis_pipelines.ledger import Record, State
from nomis_pipelines.migration.doubts import Adoption, DoubtError, adopt
from nomis_pipelines.migration.duplicates import resolve_duplicates
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.reconcile import Reconciler
from nomis_pipelines.migration.reconciliation import Scope, Standing
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.sandbox.faults import FAULT
from nomis_pipelines.sandbox.server import SandboxServer
from nomis_pipelines.synchronisation import HandlerError, SyncContext
from nomis_pipelines_tests.domains.alerts.conftest import SMALL
from nomis_pipelines_tests.domains.events import RecordingQueues
from nomis_pipelines_tests.fake_services import FakePlatform, migrate

pytestmark = pytest.mark.server

Json = dict[str, Any]
MIGRATED = "casenotes-migration-entity-migrated"
WRITE = ("case-notes", "POST", "/migrate/case-notes/{personIdentifier}")
RECORD = ("mapping", "POST", "/mapping/casenotes/{offenderNo}/all")


def fault(services: SandboxServer, kind: str, service: str, **options: Any) -> None:
    services.set_fault(FAULT.validate_python({"kind": kind, "service": service, **options}))


def calls(services: SandboxServer, operation: tuple[str, str, str]) -> int:
    service, method, path = operation
    rows = services.counts()[service]["requests"]
    return sum(sum(row["outcomes"].values()) for row in rows if (row["method"], row["path"]) == (method, path))


def everybodys(services: SandboxServer) -> dict[str, list[Json]]:
    numbers, _ = services.stores.nomis_alerts.prisoners(0, SMALL.prisoners)
    return {number: services.stores.nomis_case_notes.of_prisoner(number) or [] for number in numbers}


def with_notes(services: SandboxServer, at_least: int = 2) -> list[str]:
    return [number for number, notes in everybodys(services).items() if len(notes) >= at_least]


def agree(services: SandboxServer) -> bool:
    numbers = services.agreement()["case_notes"]
    return not any(numbers[name] for name in ("dps_surplus", "dps_without_mapping", "mappings_without_dps"))


async def record(platform: FakePlatform, key: int | str) -> Record:
    found = await platform.ledger.record(ledger_key(key))
    assert found is not None
    return found


def numbers_of(run: MigrationRun) -> dict[str, int]:
    return {name: count for name, count in run.tally.counts().items() if count and name not in {"listed"}}


def work(platform: FakePlatform) -> CaseNoteWork:
    return CaseNoteWork(
        SyncContext(
            clients=platform.clients, ledger=platform.ledger, telemetry=platform.telemetry, queues=RecordingQueues(),
            settings=platform.settings,
        )
    )  # fmt: skip


def event_of(services: SandboxServer, note: Json) -> CaseNoteEvent:
    owner = services.stores.nomis_case_notes.owner(note["caseNoteId"])
    return CaseNoteEvent(case_note_id=note["caseNoteId"], booking_id=note["bookingId"], offender_id_display=owner)


async def test_every_prisoner_is_migrated_once_the_empty_ones_too_and_a_second_run_does_nothing(
    platform: FakePlatform, services: SandboxServer
) -> None:
    notes = everybodys(services)
    assert 0 < sum(not each for each in notes.values()) < len(notes), "some have none"
    run = await migrate(platform, CaseNotesMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners}
    assert [calls(services, each) for each in (WRITE, RECORD)] == [SMALL.prisoners] * 2
    assert agree(services)
    table, dps = services.stores.case_note_mappings, services.stores.dps_case_notes
    assert {note_id for note_id, _ in table.items()} == {note["caseNoteId"] for each in notes.values() for note in each}
    assert len(dps.ids()) < len(table), "copies and double entries are one note"
    for properties in platform.telemetry.named(MIGRATED):
        number = properties["offenderNo"]
        counts = (properties["nomisCaseNoteCount"], properties["dpsCaseNoteCount"])
        assert counts == (str(len(notes[number])), str(len(dps.of_prisoner(number))))
    again = await migrate(platform, CaseNotesMigration)
    assert numbers_of(again) == {"skipped": SMALL.prisoners}
    assert [calls(services, each) for each in (WRITE, RECORD)] == [SMALL.prisoners] * 2


async def test_only_the_prisoners_named_are_migrated_and_they_are_told_and_counted(
    platform: FakePlatform, services: SandboxServer
) -> None:
    one, two = with_notes(services)[:2]
    run = await migrate(platform, CaseNotesMigration, offenderNos=[one, two, one])
    assert numbers_of(run) == {"migrated": 2}
    assert platform.telemetry.named("casenotes-migration-started") == [
        {"migrationId": run.migration_id, "estimatedCount": "2", "offenderNos": f"[{one}, {two}]"}
    ]
    counted = await platform.clients.client("mapping").get(
        CaseNotesMigration.migrated_path, int, path={"migrationId": run.migration_id}
    )
    assert counted == 2


async def test_mappings_that_are_refused_are_recorded_later_and_dps_is_not_asked_again(
    platform: FakePlatform, services: SandboxServer
) -> None:
    fault(services, "status", "mapping", code=400, method="POST")
    run = await migrate(platform, CaseNotesMigration)
    assert numbers_of(run) == {"unmapped": SMALL.prisoners}
    assert len(platform.telemetry.named(MIGRATED)) == SMALL.prisoners, "told whatever becomes of the mapping"
    services.clear_faults()
    tally = await MigrationEngine(platform).retry_mappings(CaseNotesMigration)
    assert tally.migrated == SMALL.prisoners
    assert calls(services, WRITE) == SMALL.prisoners
    assert agree(services)


async def test_an_answer_of_the_mapping_service_that_was_lost_makes_no_duplicate(
    platform: FakePlatform, services: SandboxServer
) -> None:
    fault(services, "drop_after", "mapping", method="POST", limit=10)
    run = await migrate(platform, CaseNotesMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners}
    assert agree(services)


async def test_a_mapping_of_another_prisoner_makes_a_duplicate_that_is_left_to_people(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_notes(services)[0]
    note = everybodys(services)[number][0]
    services.stores.case_note_mappings.add(
        "A9999ZZ", None, "NOMIS_CREATED", [(note["caseNoteId"], note["bookingId"], "another")]
    )
    run = await migrate(platform, CaseNotesMigration, offenderNos=[number])
    assert numbers_of(run) == {"duplicates": 1}
    (told,) = platform.telemetry.named("casenotes-migration-duplicate-error")
    assert (told["offenderNo"], told["existingDpsCaseNoteId"]) == (number, "another")
    (left,) = await resolve_duplicates(CaseNotesMigration, CASE_NOTES.delete_surplus, platform, dry_run=False)
    assert left.action.startswith("left: ")


async def test_a_note_dps_refuses_fails_the_prisoner_alone_who_is_migrated_once_it_is_mended(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_notes(services)[0]
    note = everybodys(services)[number][0]
    nomis = services.stores.nomis_case_notes
    nomis.change(note["caseNoteId"], {"caseNoteType": {"code": "NEW", "description": "x"}})
    run = await migrate(platform, CaseNotesMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners - 1, "failed": 1}
    (told,) = platform.telemetry.named("casenotes-migration-entity-failed")
    assert told == {
        "offenderNo": number, "migrationId": run.migration_id, "migrationType": "CASENOTES",
        "error": "case-notes POST /migrate/case-notes/{personIdentifier} answered 400",
    }  # fmt: skip
    nomis.change(note["caseNoteId"], {"caseNoteType": note["caseNoteType"]})
    tally = await MigrationEngine(platform).retry_failed(CaseNotesMigration, states=[State.FAILED])
    assert tally.migrated == 1
    assert agree(services)


async def test_a_set_whose_answer_was_lost_is_in_doubt_until_it_is_adopted_as_dps_has_it(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_notes(services)[0]
    fault(services, "drop_after", "case-notes", path=f"/migrate/case-notes/{number}*", limit=1)
    run = await migrate(platform, CaseNotesMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners - 1, "in_doubt": 1}
    with pytest.raises(DoubtError, match="adopted as a whole"):
        await adopt(platform, CaseNotesMigration, ledger_key(number), "some-id")
    assert (await record(platform, number)).state is State.IN_DOUBT
    assert await adopt(platform, CaseNotesMigration, ledger_key(number), number) is Adoption.TO_BE_MAPPED
    assert (await MigrationEngine(platform).retry_mappings(CaseNotesMigration)).migrated == 1
    assert calls(services, WRITE) == SMALL.prisoners
    assert agree(services)
    assert numbers_of(await migrate(platform, CaseNotesMigration)) == {"skipped": SMALL.prisoners}


async def test_what_events_made_before_a_migration_is_not_made_again_and_what_comes_after_is_made_once(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_notes(services)[0]
    nomis, dps = services.stores.nomis_case_notes, services.stores.dps_case_notes
    before = nomis.add(number, {"caseNoteText": "Before"})
    assert before is not None
    await work(platform).insert(event_of(services, before))
    late = nomis.add(number, {"caseNoteText": "Its event comes after the migration"})
    assert late is not None
    run = await migrate(platform, CaseNotesMigration)
    assert numbers_of(run) == {"migrated": SMALL.prisoners}
    await work(platform).insert(event_of(services, late))
    after = nomis.add(number, {"caseNoteText": "After"})
    assert after is not None
    await work(platform).insert(event_of(services, after))
    await work(platform).insert(event_of(services, after))
    assert agree(services)
    assert len(set(dps.ids())) == services.agreement()["case_notes"]["dps_distinct"]
    assert {note["caseNoteId"] for note in nomis.of_prisoner(number) or ()} == {
        note_id for note_id, _ in services.stores.case_note_mappings.of_prisoner(number)
    }
    reconciled = await Reconciler(platform, CaseNotesMigration).run(Scope())
    assert reconciled.totals()[Standing.MAPPED] == SMALL.prisoners


async def test_a_number_that_took_over_a_migrated_one_still_brings_its_own_notes(
    platform: FakePlatform, services: SandboxServer
) -> None:
    retained, removed = [number for number in with_notes(services) if services.stores.nomis_alerts.bookings(number)][:2]
    await migrate(platform, CaseNotesMigration, offenderNos=[removed])
    services.stores.nomis_alerts.merge(retained, removed)
    services.stores.case_note_mappings.merge(removed, retained)
    run = await migrate(platform, CaseNotesMigration, offenderNos=[retained])
    assert numbers_of(run) == {"migrated": 1}
    assert agree(services)
    notes = services.stores.nomis_case_notes.of_prisoner(retained) or []
    assert len(services.stores.case_note_mappings.of_prisoner(retained)) == len(notes)


async def test_after_the_mapping_table_was_reset_those_with_notes_are_migrated_again(
    platform: FakePlatform, services: SandboxServer
) -> None:
    await migrate(platform, CaseNotesMigration)
    services.stores.case_note_mappings.clear()
    run = await migrate(platform, CaseNotesMigration)
    some = len(with_notes(services, 1))
    assert numbers_of(run) == {"migrated": some, "skipped": SMALL.prisoners - some}


async def test_events_that_overtake_one_another_come_right_in_the_end(
    platform: FakePlatform, services: SandboxServer
) -> None:
    number = with_notes(services)[0]
    nomis, dps = services.stores.nomis_case_notes, services.stores.dps_case_notes
    note = nomis.add(number, {"caseNoteText": "First"})
    assert note is not None
    event = event_of(services, note)
    nomis.change(note["caseNoteId"], {"caseNoteText": "Second"})
    with pytest.raises(HandlerError, match="has no mapping"):
        await work(platform).update(event)
    for handle in (work(platform).insert, work(platform).update, work(platform).insert):
        await handle(event)
    (dps_id,) = dps.of_prisoner(number)
    assert b"Second" in (dps.body(dps_id) or b"")
    nomis.remove(note["caseNoteId"])
    await work(platform).delete(event)
    await work(platform).delete(event)
    with pytest.raises(NotFound):
        await work(platform).update(event)
    assert dps.ids() == []
    assert len(services.stores.case_note_mappings) == 0
    assert platform.telemetry.names()[-2:] == [
        "casenotes-synchronisation-deleted-success",
        "casenotes-deleted-synchronisation-skipped",
    ]


async def test_a_delete_that_broke_off_is_finished_by_the_repair_once_the_sisters_mapping_is_gone(
    platform: FakePlatform, services: SandboxServer
) -> None:
    await migrate(platform, CaseNotesMigration)
    table, nomis = services.stores.case_note_mappings, services.stores.nomis_case_notes
    dps_id = next(pair.dps_id for _, pair in table.items() if len(table.of_dps_id(pair.dps_id)) == 2)
    (first, _), (sister, _) = table.of_dps_id(dps_id)
    note = nomis.get(first)
    assert note is not None
    event = event_of(services, note)
    nomis.remove(first)
    fault(services, "status", "case-notes", code=500, method="DELETE")
    await work(platform).delete(event)
    assert nomis.get(sister) is None, "the sister went first"
    services.clear_faults()
    await work(platform).delete_by_hand(first)
    assert platform.telemetry.names()[-1] == "casenotes-synchronisation-deleted-failed", "the sister is not there"
    table.remove("note", sister)
    await work(platform).delete_by_hand(first)
    assert platform.telemetry.names()[-1] == "casenotes-synchronisation-deleted-success"
    assert not services.stores.dps_case_notes.exists(dps_id)
    assert table.of_dps_id(dps_id) == []
