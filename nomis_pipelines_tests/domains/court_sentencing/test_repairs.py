"""Promise: section 8 of the court sentencing card: every repair does what its event would, and is told of even then."""

from typing import Any

import httpx
import pytest

from nomis_pipelines.domains.court_sentencing import COURT_SENTENCING
from nomis_pipelines.domains.court_sentencing.entities import SENTENCE as OF_SENTENCE, CourtKey
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines.synchronisation.repair import RepairError
from nomis_pipelines_tests.domains.court_sentencing.conftest import Court
from nomis_pipelines_tests.domains.court_sentencing.examples import (
    BOOKING,
    CASE,
    CHARGE,
    FIRST,
    LAST,
    NEW,
    ON_FIRST,
    PRISONER,
    SECOND,
    SENTENCE,
    conflict,
)
from nomis_pipelines_tests.domains.court_sentencing.test_migration import D1, MADE, PAYLOAD

pytestmark = pytest.mark.server

REPAIRS = {repair.name: repair for repair in COURT_SENTENCING.repairs}
OF = {"offenderNo": PRISONER, "bookingId": BOOKING}
NAMES = {"offenderNo": PRISONER, "nomisBookingId": str(BOOKING)}
IGNORED: list[tuple[str, dict[str, Any], str | None, str, dict[str, str]]] = [
    (
        "case_status", {"caseId": 70001}, "court-case-synchronisation-updated-success",
        "court-sentencing-prisoner-case-status-repaired", {**NAMES, "nomisCourtCaseId": "70001"},
    ),
    (
        "sentence", {"caseId": 70001, "sentenceSeq": 1, "sentenceLevel": "IND", "sentenceCategory": "LICENCE"},
        "sentence-synchronisation-created-ignored", "court-sentencing-prisoner-sentence-repaired",
        {
            **NAMES, "nomisSentenceSequence": "1", "nomisSentenceLevel": "IND", "nomisSentenceCategory": "LICENCE",
            "caseId": "70001",
        },
    ),
    (
        "sentence_update", {"caseId": 70001, "sentenceSeq": 1}, "sentence-synchronisation-updated-success",
        "court-sentencing-prisoner-sentence-update-repaired",
        {**NAMES, "nomisCaseId": "70001", "nomisSentenceSequence": "1"},
    ),
    (
        "term", {"sentenceSeq": 1, "termSeq": 1}, "sentence-term-synchronisation-created-ignored",
        "court-sentencing-prisoner-sentence-term-repaired",
        {**NAMES, "nomisSentenceSequence": "1", "nomisTermSequence": "1"},
    ),
    (
        "charge", {"eventId": 81001, "chargeId": 9101}, "court-charge-synchronisation-created-success",
        "court-charge-synchronisation-created-repaired",
        {**NAMES, "nomisOffenderChargeId": "9101", "nomisCourtAppearanceId": "81001"},
    ),
    (
        "appearance", {"caseId": 70001, "eventId": 81001}, "court-appearance-synchronisation-created-ignored",
        "court-sentencing-appearance-created-repaired",
        {**NAMES, "nomisCaseId": "70001", "nomisCourtAppearanceId": "81001"},
    ),
    (
        "appearance_update", {"caseId": 70001, "eventId": 81001}, "court-appearance-synchronisation-updated-success",
        "court-sentencing-appearance-update-repaired",
        {**NAMES, "nomisCaseId": "70001", "nomisCourtAppearanceId": "81001"},
    ),
]  # fmt: skip


async def repair(court: Court, name: str, **values: Any) -> None:
    wanted = REPAIRS[name]
    await wanted.work(court.consumer.context, wanted.parameters.model_validate(values))


def test_the_eleven_repairs_are_offered_where_the_card_has_them() -> None:
    booking = "/prisoners/{offenderNo}/booking-id/{bookingId}/court-sentencing"
    prisoner = "/prisoners/{offenderNo}/court-sentencing"
    assert [(each.method, each.path) for each in COURT_SENTENCING.repairs] == [
        ("POST", f"{prisoner}/court-cases/repair"),
        ("PUT", f"{booking}/court-cases/{{caseId}}/status/repair"),
        (
            "POST",
            f"{booking}/case/{{caseId}}/sentences/{{sentenceSeq}}/sentence-level/{{sentenceLevel}}"
            "/sentence-category/{sentenceCategory}/repair",
        ),
        ("PUT", f"{booking}/court-cases/{{caseId}}/sentences/{{sentenceSeq}}/repair"),
        ("POST", f"{booking}/sentences/{{sentenceSeq}}/terms/{{termSeq}}/repair"),
        ("POST", f"{booking}/appearances/{{eventId}}/charges/{{chargeId}}/repair"),
        ("POST", f"{booking}/court-cases/{{caseId}}/appearances/{{eventId}}/repair"),
        ("PUT", f"{booking}/court-cases/{{caseId}}/appearances/{{eventId}}/repair"),
        ("DELETE", f"{prisoner}/court-cases/{{caseId}}/court-appearances/prune-dps"),
        ("PUT", f"{prisoner}/court-cases/{{caseId}}/appearances/{{eventId}}/repair-charges"),
        ("PUT", f"{prisoner}/court-cases/{{caseId}}/court-info-numbers"),
    ]
    assert {(each.status, each.roles) for each in COURT_SENTENCING.repairs} == {
        (200, ("ROLE_PRISONER_FROM_NOMIS__UPDATE__RW",))
    }


@pytest.mark.parametrize(("name", "values", "event", "told", "properties"), IGNORED, ids=lambda value: str(value)[:30])
async def test_a_repair_does_what_its_event_would_and_is_told_of_after(
    court: Court, name: str, values: dict[str, Any], event: str, told: str, properties: dict[str, str]
) -> None:
    await repair(court, name, **OF, **values)
    assert court.consumer.telemetry.names() == [event, told]
    assert court.consumer.telemetry.named(told) == [properties]


async def test_a_repair_that_fails_is_not_told_of(court: Court) -> None:
    del court.services.mapped["case", 70001]
    with pytest.raises(HandlerError):
        await repair(court, "case_status", **OF, caseId=70001)
    assert court.consumer.telemetry.names() == ["court-case-synchronisation-updated-failed"]


async def test_the_references_of_a_case_are_sent_again(court: Court) -> None:
    await repair(court, "court_info_numbers", offenderNo=PRISONER, caseId=70001)
    reference = {"offenderCaseReference": "LS24/118", "updatedDate": "2024-02-01T09:10:12"}
    assert court.services.writes == [
        (f"PUT dps /legacy/court-case/{CASE}/case-references/refresh", {"caseReferences": [reference]})
    ]
    (_, refreshed), last = court.consumer.telemetry.events
    assert refreshed == {
        "nomisIdentifiersNo": "repair", "nomisIdentifiersType": "repair", "nomisCourtCaseId": "70001",
        "eventType": "OFFENDER_CASE_IDENTIFIERS-UPDATED", "dpsCourtCaseId": CASE, "offenderNo": PRISONER,
    }  # fmt: skip
    told = {"offenderNo": PRISONER, "nomisCaseId": "70001"}
    assert last == ("court-sentencing-prisoner-court-case-info-numbers-updated", told)


def appearances_in_dps(court: Court, *appearances: str) -> None:
    found = {"appearances": [{"appearanceUuid": appearance} for appearance in appearances]}
    court.services.answer(f"GET dps /legacy/court-case/{CASE}/reconciliation", httpx.Response(200, json=found))


@pytest.mark.parametrize(
    ("in_dps", "additional", "deleted"),
    [((FIRST, NEW, LAST, SECOND), "2", (NEW, SECOND)), ((FIRST, LAST), "0", ()), ((FIRST,), "-1", ())],
)
async def test_appearances_that_dps_has_too_many_are_deleted(
    court: Court, in_dps: tuple[str, ...], additional: str, deleted: tuple[str, ...]
) -> None:
    appearances_in_dps(court, *in_dps)
    await repair(court, "prune_appearances", offenderNo=PRISONER, caseId=70001)
    assert [call for call, _ in court.services.writes] == [
        f"DELETE dps /legacy/court-appearance/{appearance}" for appearance in deleted
    ]
    assert court.consumer.telemetry.events == [
        (
            "court-sentencing-prisoner-court-appearances-pruned",
            {
                "offenderNo": PRISONER, "nomisCaseId": "70001", "numberOfNomisCourtAppearances": "2",
                "numberOfDpsCourtAppearances": str(len(in_dps)), "numberOfAdditionalAppearances": additional,
                "dpsCourtAppearanceIdsDeleted": ",".join(deleted),
            },
        )
    ]  # fmt: skip


async def test_nothing_is_deleted_when_those_not_mapped_are_not_as_many(court: Court) -> None:
    appearances_in_dps(court, FIRST, NEW, SECOND)
    with pytest.raises(RepairError, match=r"Expected: 1, Actual: 2"):
        await repair(court, "prune_appearances", offenderNo=PRISONER, caseId=70001)
    del court.services.mapped["appearance", 81002]
    with pytest.raises(Exception, match="404"):
        await repair(court, "prune_appearances", offenderNo=PRISONER, caseId=70001)
    assert (court.services.writes, court.consumer.telemetry.events) == ([], [])


async def test_an_appearance_gets_just_the_charges_it_has_in_nomis(court: Court) -> None:
    known = {**ON_FIRST, "offenderCharge": {**ON_FIRST["offenderCharge"], "id": 9102}}
    unknown = {**ON_FIRST, "offenderCharge": {**ON_FIRST["offenderCharge"], "id": 9103}}
    path = f"/prisoners/{PRISONER}/sentencing/court-appearances/81001"
    court.services.nomis[path]["courtEventCharges"] += [known, unknown]
    court.services.nomis[f"{path}/charges/9103"] = unknown
    court.services.mapped["charge", 9102] = SECOND
    there = {"charges": [{"lifetimeUuid": CHARGE}, {"lifetimeUuid": SENTENCE}]}
    court.services.answer(f"GET dps /legacy/court-appearance/{FIRST}", httpx.Response(200, json=there))
    await repair(court, "appearance_charges", offenderNo=PRISONER, caseId=70001, eventId=81001)
    assert [call for call, _ in court.services.writes] == [
        f"DELETE dps /legacy/court-appearance/{FIRST}/charge/{SENTENCE}",
        f"PUT dps /legacy/court-appearance/{FIRST}/charge/{SECOND}",
        "POST dps /legacy/charge",
        "POST mapping /court-charges",
    ]
    made, told = court.consumer.telemetry.events
    assert (made[0], made[1]["nomisBookingId"]) == ("court-charge-synchronisation-created-success", "null")
    assert told == (
        "court-sentencing-prisoner-court-appearance-charges-repaired",
        {
            "nomisCourtAppearanceId": "81001", "offenderNo": PRISONER, "nomisCaseId": "70001",
            "dpsCourtAppearanceId": FIRST, "nomisCharges": "9101,9102,9103", "dpsChargesRemoved": SENTENCE,
            "dpsChargeAssociationsAdded": f"{SECOND},{NEW}",
        },
    )  # fmt: skip


async def test_an_appearance_that_is_not_mapped_has_no_charges_to_repair(court: Court) -> None:
    del court.services.mapped["appearance", 81001]
    with pytest.raises(HandlerError, match="Court appearance mapping not found for event 81001"):
        await repair(court, "appearance_charges", offenderNo=PRISONER, caseId=70001, eventId=81001)


async def test_a_prisoner_is_migrated_again_in_the_place_of_what_dps_has(court: Court) -> None:
    court.services.answer(D1, httpx.Response(201, json=MADE))
    await repair(court, "cases", offenderNo=PRISONER)
    (call, body), (posted, batch) = court.services.writes
    assert (call, body) == (D1, PAYLOAD)
    assert posted == f"POST mapping /prisoner/{PRISONER}/court-cases"
    assert batch["mappingType"] == "MIGRATED"
    migrated, repaired = court.consumer.telemetry.events
    told = {"offenderNo": PRISONER, "migrationId": batch["label"]}
    assert migrated == ("court-sentencing-migration-entity-migrated", told)
    assert repaired == ("court-sentencing-prisoner-cases-repaired", {"offenderNo": PRISONER})


async def test_a_batch_that_is_refused_waits_in_the_ledger_for_the_retry_of_mappings(court: Court) -> None:
    court.services.answer(D1, httpx.Response(201, json=MADE))
    court.services.answer(f"POST mapping /prisoner/{PRISONER}/court-cases", httpx.Response(500), httpx.Response(201))
    await repair(court, "cases", offenderNo=PRISONER)
    ledger = court.consumer.context.ledger
    (waiting,) = await ledger.records("court_sentencing", states=[State.WRITTEN])
    assert waiting.nomis_key == PRISONER
    await repair(court, "cases", offenderNo=PRISONER)
    assert [call for call, _ in court.services.writes].count(D1) == 2
    assert await ledger.records("court_sentencing", states=[State.WRITTEN]) == []


async def test_a_batch_that_clashes_is_told_and_the_repair_counts_as_done(court: Court) -> None:
    court.services.answer(D1, httpx.Response(201, json=MADE))
    refused = conflict({"courtCases": []}, {"courtCases": []})
    court.services.answer(f"POST mapping /prisoner/{PRISONER}/court-cases", refused)
    await repair(court, "cases", offenderNo=PRISONER)
    names = ["nomis-migration-court-sentencing-duplicate", "court-sentencing-migration-entity-migrated"]
    assert court.consumer.telemetry.names() == [*names, "court-sentencing-prisoner-cases-repaired"]


async def test_the_repair_of_a_prisoner_ends_what_the_ledger_held_against_single_records(court: Court) -> None:
    ledger = court.consumer.context.ledger
    doubted = CourtKey.of(PRISONER, OF_SENTENCE, (BOOKING, 1)).ledger_key
    merge = CourtKey(PRISONER, "merge", ("B9876XY", "1")).ledger_key
    other = CourtKey("B9876XY", "merge", ("A0000AA", "1")).ledger_key
    for key in (doubted, merge, other):
        await ledger.claim(key)
        await ledger.in_doubt(key)
    court.services.answer(D1, httpx.Response(201, json=MADE))
    await repair(court, "cases", offenderNo=PRISONER)
    left = await ledger.records("court_sentencing", states=[State.IN_DOUBT])
    assert [record.key for record in left] == [other]
    settled = await ledger.record(doubted)
    assert settled is not None
    assert settled.dps_id == SENTENCE
