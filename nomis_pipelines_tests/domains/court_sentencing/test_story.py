"""Promise: whatever happens in NOMIS, in whatever order it is told, DPS is in the end what a migration makes of it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nomis_pipelines.domains.court_sentencing.entities import CASE
from nomis_pipelines.sandbox.data.courts import combine, result
from nomis_pipelines.sandbox.tokens import TokenIssuer
from nomis_pipelines_tests.domains.court_sentencing.story import (
    Story,
    announce_case,
    announce_sentence,
    another_prisoner,
    new_case,
    new_sentence,
    told,
)

pytestmark = pytest.mark.server
Json = dict[str, Any]


@pytest.fixture(scope="session")
def story_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("story") / "key.pem"
    TokenIssuer(file)
    return file


@pytest.fixture
async def story(tmp_path: Path, story_key: Path, ledger_url: str) -> AsyncIterator[Story]:
    shutil.copy(story_key, tmp_path / "key.pem")
    async with told(tmp_path, ledger_url) as made:
        yield made


async def test_a_new_case_in_the_order_of_sending_needs_no_redelivery(story: Story) -> None:
    case = new_case(story)
    story.put([case])
    announce_case(story, case)
    await story.deliver()
    assert story.redelivered == 0
    assert story.in_dps() == await story.freshly_migrated()


@pytest.mark.parametrize("seed", range(6))
async def test_parents_and_children_may_come_in_any_order(story: Story, seed: int) -> None:
    cases = [new_case(story)]
    story.put(cases)
    cases.append(new_case(story))
    story.put(cases)
    for case in cases:
        announce_case(story, case)
    await story.deliver(Random(seed))
    assert story.redelivered > 0
    assert not [name for name in story.telemetry.names() if "duplicate" in name]
    in_dps = story.in_dps()
    assert in_dps == await story.freshly_migrated()
    (first, _) = in_dps
    assert [len(appearance["charges"]) for appearance in first["appearances"]] == [1, 2]
    assert [sentence["follows"] for sentence in first["appearances"][1]["sentences"]] == [
        None,
        {"nomis": [story.booking_id, 1]},
    ]


async def test_events_of_a_whole_life_leave_dps_as_a_migration_would_make_it(story: Story) -> None:
    removed = another_prisoner(story)
    assert (await story.migrate(story.offender_no, removed))["migrated"] == 2
    await _sentenced(story)
    await _updated(story)
    await _linked(story)
    await _sequence_used_again(story)
    await _merged(story, removed)
    await _recalled(story)
    await _repaired(story)
    in_dps = story.in_dps()
    assert len(in_dps) >= 3
    assert in_dps == await story.freshly_migrated()


async def _sentenced(story: Story) -> None:
    for _ in range(2):
        case = new_case(story)
        story.change(lambda cases, case=case: cases.append(case))
        announce_case(story, case)
    await story.deliver()


async def _updated(story: Story) -> None:
    def change(cases: list[Json]) -> None:
        case = cases[0]
        event, there = case["courtEvents"][0], case["courtEvents"][0]["courtEventCharges"][0]
        event |= {"outcomeReasonCode": result("4531"), "courtId": "LEEDMC", "modifiedByUsername": "CLERK2"}
        there |= {"offenceEndDate": "2026-01-07", "resultCode1": result("4531")}
        for each in (*case["courtEvents"], *case["sentences"]):
            for charge in each.get("courtEventCharges", each.get("offenderCharges", [])):
                if charge.get("offenderCharge", charge)["id"] == there["offenderCharge"]["id"]:
                    charge.get("offenderCharge", charge)["offence"] = {
                        "offenceCode": "PU86090", "statuteCode": "PU86", "description": "Theft from a shop",
                    }  # fmt: skip
        sentence = case["sentences"][0]
        sentence |= {"fineAmount": 250.5, "status": "I"}
        sentence["sentenceTerms"][0]["months"] = 6
        case["caseInfoNumbers"].append(
            {"type": "CASE/INFO#", "reference": "LS26/119", "createDateTime": "2026-03-03T09:10:12"}
        )

    story.change(change)
    case = story.cases()[0]
    event = case["courtEvents"][0]
    charge = event["courtEventCharges"][0]["offenderCharge"]["id"]
    story.event("COURT_EVENTS-UPDATED", eventId=event["id"], caseId=case["id"])
    story.event("COURT_EVENT_CHARGES-UPDATED", eventId=event["id"], chargeId=charge)
    story.event("OFFENDER_CHARGES-UPDATED", chargeId=charge, offenceCodeChange=True)
    announce_sentence(story, case["id"], case["sentences"][0], "UPDATED")
    story.event("OFFENDER_SENTENCE_TERMS-UPDATED", sentenceSeq=1, termSequence=1)
    story.event("OFFENDER_CASE_IDENTIFIERS-UPDATED", caseId=case["id"], identifierType="X", identifierNo="Y")
    await story.deliver()


async def _linked(story: Story) -> None:
    story.change(lambda cases: combine(cases[1], cases[0], "2026-03-09"))
    target, source = story.cases()
    event = target["courtEvents"][-1]
    names = {"caseId": source["id"], "combinedCaseId": target["id"]}
    there = {"eventId": event["id"], "chargeId": event["courtEventCharges"][-1]["offenderCharge"]["id"]}
    story.event("OFFENDER_CASES-LINKED", **names)
    story.event("COURT_EVENT_CHARGES-INSERTED", **there)
    story.event("COURT_EVENT_CHARGES-LINKED", **names, **there, eventDatetime="2026-03-09T11:12:13")
    await story.deliver()


async def _sequence_used_again(story: Story) -> None:
    """The last sentence is deleted with its terms; another gets its sequence at once."""
    case = story.cases()[1]
    old = case["sentences"][-1]
    story.change(lambda cases: cases[1]["sentences"].remove(cases[1]["sentences"][-1]))
    for term in old["sentenceTerms"]:
        story.event(
            "OFFENDER_SENTENCE_TERMS-DELETED", sentenceSeq=old["sentenceSeq"], termSequence=term["termSequence"]
        )
    level = {"sentenceLevel": "IND", "sentenceCategory": "2020", "caseId": case["id"]}
    story.event("OFFENDER_SENTENCES-DELETED", sentenceSeq=old["sentenceSeq"], **level)
    await story.deliver()
    event = case["courtEvents"][-1]["id"]
    new = new_sentence(story.booking_id, old["sentenceSeq"], event, old["offenderCharges"], follows=1)
    story.change(lambda cases: cases[1]["sentences"].append(new))
    announce_sentence(story, case["id"], new)
    await story.deliver()


async def _merged(story: Story, removed: str) -> None:
    stores = story.server.stores
    before = [stores.nomis_alerts.bookings(number) for number in (story.offender_no, removed)]
    booking_id = stores.nomis_alerts.merge(story.offender_no, removed)
    stores.nomis_courts.merge(story.offender_no, *before)
    names = {"nomsNumber": story.offender_no, "removedNomsNumber": removed, "bookingId": booking_id}
    body = {"occurredAt": "2026-03-10T10:00:00Z", "additionalInformation": names}
    for _ in range(2):  # a merge that is delivered twice is made once
        story.waiting.append(("prison-offender-events.prisoner.merged", body))
        await story.deliver()
    (once, again) = story.telemetry.named("from-nomis-synch-court-case-merge")
    assert once == again
    assert int(once["courtCasesCreatedCount"]) == int(once["courtCasesDeactivatedCount"]) > 0


async def _recalled(story: Story) -> None:
    def change(cases: list[Json]) -> None:
        sentence = cases[1]["sentences"][0]
        sentence["calculationType"] = {"code": "14FTR_ORA", "description": "ORA 14 Day Fixed Term Recall"}
        sentence["recallCustodyDate"] = {"returnToCustodyDate": "2026-03-08", "recallLength": 14}

    story.change(change)
    story.event("OFFENDER_FIXED_TERM_RECALLS-UPDATED", eventType="OFFENDER_FIXED_TERM_RECALLS-UPDATED")
    await story.deliver()
    assert story.telemetry.named("recall-custody-date-synchronisation-success")


async def _repaired(story: Story) -> None:
    """DPS is spoilt, as duplicates and lost charges spoil it, and each repair puts its part right."""
    target = story.cases()[0]
    pairs, dps = story.server.stores.court_mappings.pairs, story.server.stores.dps_courts
    case = pairs.get((CASE.name, target["id"]))
    event = target["courtEvents"][0]
    appearance = pairs.get(("appearance", event["id"]))
    assert case is not None
    assert appearance is not None
    with dps.changing(story.offender_no) as book:
        surplus, stray = dps.new_id(story.offender_no, book), dps.new_id(story.offender_no, book)
        book["appearances"][surplus] = {**book["appearances"][appearance.dps_id], "nomis": None}
        for charge in book["charges"].values():
            charge["on"].pop(appearance.dps_id, None)
        book["charges"][stray] = {"nomis": None, "on": {appearance.dps_id: {"offenceCode": "XX"}}}
        book["cases"][case.dps_id]["active"] = False
    names = {"bookingId": story.booking_id, "caseId": target["id"]}
    await story.repair("prune_appearances", caseId=target["id"])
    await story.repair("appearance_charges", caseId=target["id"], eventId=event["id"])
    await story.repair("case_status", **names)
    await story.repair("appearance_update", **names, eventId=event["id"])
    await story.repair("sentence_update", **names, sentenceSeq=1)
    await story.repair("court_info_numbers", caseId=target["id"])
    assert story.telemetry.named("court-sentencing-prisoner-court-appearances-pruned") == [
        {
            "offenderNo": story.offender_no, "nomisCaseId": str(target["id"]), "numberOfNomisCourtAppearances": "2",
            "numberOfDpsCourtAppearances": "3", "numberOfAdditionalAppearances": "1",
            "dpsCourtAppearanceIdsDeleted": surplus,
        }
    ]  # fmt: skip
    (charges,) = story.telemetry.named("court-sentencing-prisoner-court-appearance-charges-repaired")
    assert charges["dpsChargesRemoved"] == stray


async def test_the_repair_of_a_prisoner_replaces_everything(story: Story) -> None:
    case = new_case(story)
    story.put([case])
    announce_case(story, case)
    await story.deliver()
    for _ in range(2):
        await story.repair("cases")
        assert len(story.in_dps()) == 1
    repaired = story.in_dps()
    assert story.telemetry.named("court-sentencing-prisoner-cases-repaired") == [{"offenderNo": story.offender_no}] * 2
    assert repaired == await story.freshly_migrated()


async def test_a_second_migration_passes_over_who_is_done_and_replaces_when_told_to(story: Story) -> None:
    story.put([new_case(story)])
    assert (await story.migrate())["migrated"] == 1
    assert (await story.migrate())["skipped"] == 1
    assert len(story.in_dps()) == 1
    assert (await story.migrate(deleteExisting=True))["migrated"] == 1
    assert len(story.in_dps()) == 1


async def test_a_prisoner_whose_cases_came_by_events_is_passed_over_or_rejected_but_never_doubled(story: Story) -> None:
    first = new_case(story)
    story.put([first])
    announce_case(story, first)
    await story.deliver()
    assert (await story.migrate())["skipped"] == 1
    story.change(lambda cases: cases.append(new_case(story)))
    assert (await story.migrate())["rejected"] == 1
    assert len(story.in_dps()) == 1
    await story.repair("cases")
    assert len(story.in_dps()) == 2
