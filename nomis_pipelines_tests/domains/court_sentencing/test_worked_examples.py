"""Promise: the worked examples of section 10 of the court sentencing card, call by call."""

import json
from typing import Any

import httpx
import pytest

from nomis_pipelines_tests.domains.court_sentencing.conftest import Court
from nomis_pipelines_tests.domains.court_sentencing.examples import (
    BOOKING,
    CASE,
    CHARGE,
    COURT_CASE,
    FIRST_EVENT,
    LAST,
    NOMIS_SENTENCE,
    ON_FIRST,
    PRISONER,
    SECOND,
    SENTENCE,
    internal,
)

pytestmark = pytest.mark.server

THIRD = "7f0d1c7e-1111-4c0a-8f10-000000081003"
OTHER_SENTENCE = "7f0d1c7e-3333-4c0a-8f10-000000080111"
OF = f"/prisoners/{PRISONER}"


async def test_example_2_a_known_charge_is_put_on_a_later_appearance_once_that_is_mapped(court: Court) -> None:
    services, consumer = court.services, court.consumer
    message = json.dumps(
        {
            "Type": "Notification", "MessageId": "c5f7a5de-0000-4000-8000-000000000001",
            "Message": '{"eventType":"COURT_EVENT_CHARGES-INSERTED","bookingId":"90210","eventId":"81003",'
            '"chargeId":"9101","offenderIdDisplay":"A4321BC","auditModuleName":"OCUCOEVT"}',
            "MessageAttributes": {"eventType": {"Type": "String", "Value": "COURT_EVENT_CHARGES-INSERTED"}},
        }
    )  # fmt: skip
    base = {
        "nomisCourtAppearanceId": "81003", "nomisOffenderChargeId": "9101", "offenderNo": PRISONER,
        "nomisBookingId": "90210",
    }  # fmt: skip
    with pytest.raises(Exception, match="81003"):
        await consumer.receive(message)
    services.mapped["appearance", 81003] = THIRD
    there = {**ON_FIRST, "eventId": 81003, "createdByUsername": "CLERK2"}
    services.nomis[f"{OF}/sentencing/court-appearances/81003/charges/9101"] = there
    await consumer.receive(message)
    assert services.writes == [
        (
            f"PUT dps /legacy/court-appearance/{THIRD}/charge/{CHARGE}",
            {
                "offenceCode": "TH68010", "offenceStartDate": "2024-01-20", "performedByUser": "CLERK2",
                "legacyData": {"postedDate": "2025-03-14", "offenceDescription": "Theft from a shop"},
            },
        )
    ]  # fmt: skip
    assert consumer.telemetry.events == [
        (
            "court-charge-synchronisation-created-awaiting-parent",
            {**base, "reason": "court appearance is not mapped"},
        ),
        (
            "court-charge-synchronisation-created-success",
            {
                **base, "dpsCourtAppearanceId": THIRD, "dpsChargeId": CHARGE, "existingDpsCharge": "true",
                "nomisOutcomeCode": "null",
            },
        ),
    ]  # fmt: skip


async def test_example_3_a_consecutive_sentence_is_inserted_while_the_mapping_service_is_down(court: Court) -> None:
    services, consumer = court.services, court.consumer
    services.nomis[f"{OF}/court-cases/70001/sentences/2"] = {
        **NOMIS_SENTENCE, "sentenceSeq": 2, "status": "I", "consecSequence": 1, "fineAmount": 250.00,
        "createdDateTime": "2025-03-13T16:20:05.123400", "lineSequence": 2, "modifiedByUsername": "CLERK3",
    }  # fmt: skip
    services.answer("POST dps /legacy/sentence", httpx.Response(201, json={"lifetimeUuid": SECOND}))
    services.answer("POST mapping /sentences", httpx.Response(500), httpx.Response(201))
    await consumer.event(
        "OFFENDER_SENTENCES-INSERTED", sentenceSeq=2, sentenceLevel="IND", sentenceCategory="2020", caseId=70001,
        offenderIdDisplay=PRISONER, bookingId=BOOKING, auditModuleName="OCDSENTS",
    )  # fmt: skip
    assert consumer.calls == [
        f"GET mapping /mapping/court-sentencing/sentences/nomis-booking-id/{BOOKING}/nomis-sentence-sequence/2",
        "GET mapping /mapping/court-sentencing/court-cases/nomis-court-case-id/70001",
        f"GET nomis {OF}/court-cases/70001/sentences/2",
        "GET mapping /mapping/court-sentencing/court-appearances/nomis-court-appearance-id/81002",
        "GET mapping /mapping/court-sentencing/court-charges/nomis-court-charge-id/9101",
        f"GET mapping /mapping/court-sentencing/sentences/nomis-booking-id/{BOOKING}/nomis-sentence-sequence/1",
        "POST court-sentencing /legacy/sentence",
        "POST mapping /mapping/court-sentencing/sentences",
    ]
    (_, body), _ = services.writes
    assert body == {
        "chargeUuids": [CHARGE], "appearanceUuid": LAST, "active": False, "fine": {"fineAmount": 250.00},
        "consecutiveToLifetimeUuid": SENTENCE, "performedByUser": "CLERK3",
        "legacyData": {
            "sentenceCalcType": "ADIMP", "sentenceTypeDesc": "Standard Determinate Sentence",
            "sentenceCategory": "2020", "postedDate": "2025-03-13T16:20:05.123400", "nomisLineReference": "2",
            "bookingId": 90210,
        },
    }  # fmt: skip
    attributes = {
        "nomisSentenceSequence": "2", "nomisSentenceCategory": "2020", "nomisSentenceLevel": "IND",
        "offenderNo": PRISONER, "nomisCaseId": "70001", "nomisBookingId": "90210", "dpsSentenceId": SECOND,
    }  # fmt: skip
    pair = {
        "nomisBookingId": 90210, "nomisSentenceSequence": 2, "dpsSentenceId": SECOND, "mappingType": "NOMIS_CREATED",
    }  # fmt: skip
    assert consumer.queues.sent == [("eventcourtsentencing", "sentence_synchronisation_retry", pair, attributes)]
    await consumer.receive(internal("sentence_synchronisation_retry", pair, attributes))
    assert services.written("mapping")[-1] == ("POST /sentences", pair)
    assert consumer.telemetry.events == [
        ("sentence-synchronisation-created-success", {**attributes, "mapping": "initial-failure"}),
        ("sentence-mapping-created-synchronisation-success", attributes),
    ]


def merged() -> dict[str, Any]:
    charge = {**ON_FIRST, "eventId": 81050, "offenderCharge": {**ON_FIRST["offenderCharge"], "id": 9150}}
    created = {
        **COURT_CASE, "id": 70050, "sentences": [],
        "courtEvents": [{**FIRST_EVENT, "id": 81050, "caseId": 70050, "courtEventCharges": [charge]}],
    }  # fmt: skip
    inactive = {
        **COURT_CASE, "caseStatus": {"code": "I", "description": "Inactive"},
        "sentences": [{**NOMIS_SENTENCE, "status": "I"}],
    }  # fmt: skip
    extra = {**NOMIS_SENTENCE, "bookingId": 80111, "sentenceSeq": 4, "status": "I"}
    return {
        "courtCasesCreated": [created],
        "courtCasesDeactivated": [inactive],
        "sentencesDeactivated": [extra, {**NOMIS_SENTENCE, "status": "I"}],
    }


MADE = {
    "courtCases": [{"courtCaseUuid": "new-case", "caseId": 70050}],
    "appearances": [{"appearanceUuid": THIRD, "eventId": 81050}],
    "charges": [{"chargeUuid": SECOND, "chargeNOMISId": 9150}],
    "sentences": [],
    "sentenceTerms": [],
}
BATCH: dict[str, Any] = {
    "mappingType": "NOMIS_CREATED",
    "courtCases": [{"nomisCourtCaseId": 70050, "dpsCourtCaseId": "new-case"}],
    "courtAppearances": [{"nomisCourtAppearanceId": 81050, "dpsCourtAppearanceId": THIRD}],
    "courtCharges": [{"nomisCourtChargeId": 9150, "dpsCourtChargeId": SECOND}],
    "sentences": [],
    "sentenceTerms": [],
}
MERGE: dict[str, Any] = {
    "occurredAt": "2025-03-14T10:00:00Z",
    "additionalInformation": {"nomsNumber": PRISONER, "removedNomsNumber": "B9876XY", "bookingId": "90210"},
}
TOLD = {
    "offenderNo": PRISONER, "bookingId": "90210", "removedOffenderNo": "B9876XY", "courtCasesCreatedCount": "1",
    "courtCasesDeactivatedCount": "1", "additionalSentencesDeactivated": "2",
}  # fmt: skip
MERGED = "prison-offender-events.prisoner.merged"
DPS_MERGE = f"POST dps /legacy/court-case/merge/person/{PRISONER}"


def merge_in_nomis(court: Court, changes: dict[str, Any]) -> None:
    court.services.nomis[f"{OF}/sentencing/court-cases/post-merge"] = changes
    court.services.mapped["sentence", 80111, 4] = OTHER_SENTENCE
    court.services.answer(DPS_MERGE, httpx.Response(201, json=MADE))


async def test_example_4_a_merge(court: Court) -> None:
    merge_in_nomis(court, merged())
    await court.consumer.event(MERGED, **MERGE)
    (call, body), (posted, batch) = court.services.writes
    assert call == DPS_MERGE
    assert body.pop("casesCreated")[0]["caseId"] == 70050
    assert body == {
        "removedPrisonerNumber": "B9876XY",
        "casesDeactivated": [{"dpsCourtCaseUuid": CASE, "active": False}],
        "sentencesDeactivated": [
            {"dpsSentenceUuid": SENTENCE, "active": False},
            {"dpsSentenceUuid": OTHER_SENTENCE, "active": False},
        ],
    }
    assert (posted, batch) == (f"POST mapping /prisoner/{PRISONER}/court-cases", BATCH)
    assert court.consumer.telemetry.events == [("from-nomis-synch-court-case-merge", TOLD)]


async def test_a_merge_that_comes_twice_is_made_once(court: Court) -> None:
    merge_in_nomis(court, merged())
    for _ in range(2):
        await court.consumer.event(MERGED, **MERGE)
    assert [call for call, _ in court.services.writes].count(DPS_MERGE) == 1
    assert court.consumer.telemetry.names() == ["from-nomis-synch-court-case-merge"] * 2


async def test_a_merge_that_changed_nothing_is_sent_and_maps_nothing(court: Court) -> None:
    merge_in_nomis(court, {"courtCasesCreated": [], "courtCasesDeactivated": [], "sentencesDeactivated": []})
    await court.consumer.event(MERGED, **MERGE)
    assert court.services.writes == [
        (
            DPS_MERGE,
            {
                "removedPrisonerNumber": "B9876XY",
                "casesCreated": [],
                "casesDeactivated": [],
                "sentencesDeactivated": [],
            },
        )
    ]


@pytest.mark.parametrize("key", [("case", 70001), ("sentence", 80111, 4)])
async def test_a_merge_waits_for_the_mappings_of_what_it_deactivates(court: Court, key: Any) -> None:
    merge_in_nomis(court, merged())
    del court.services.mapped[key]
    with pytest.raises(Exception, match="mappings of the merge"):
        await court.consumer.event(MERGED, **MERGE)
    assert court.services.writes == []
    assert court.consumer.telemetry.events == []


async def test_a_prisoner_who_was_never_merged_is_a_failure(court: Court) -> None:
    court.services.answer(f"GET nomis {OF}/sentencing/court-cases/post-merge", httpx.Response(400))
    with pytest.raises(Exception, match="400"):
        await court.consumer.event(MERGED, **MERGE)


async def test_the_batch_of_a_merge_that_was_refused_is_posted_once_more(court: Court) -> None:
    merge_in_nomis(court, merged())
    path = f"POST mapping /prisoner/{PRISONER}/court-cases"
    court.services.answer(path, httpx.Response(500), httpx.Response(201))
    await court.consumer.event(MERGED, **MERGE)
    ((_, kind, body, attributes),) = court.consumer.queues.sent
    assert (kind, body) == (
        "prisoner_merge_court_case_synchronisation_retry",
        {"offenderNo": PRISONER, "mapping": BATCH},
    )
    await court.consumer.receive(internal(kind, body, attributes))
    assert court.services.writes[-1] == (path, BATCH)
    assert court.consumer.telemetry.events == [
        ("from-nomis-synch-court-case-merge", TOLD),
        ("from-nomis-synch-court-case-merge-mapping-retry-success", TOLD),
    ]


async def test_a_batch_of_a_merge_that_clashes_is_told_by_its_first_case(court: Court) -> None:
    merge_in_nomis(court, merged())
    existing = {**BATCH, "courtCases": []}
    more = {"duplicate": BATCH, "existing": existing}
    court.services.answer(
        f"POST mapping /prisoner/{PRISONER}/court-cases",
        httpx.Response(409, json={"errorCode": 1409, "moreInfo": more}),
    )
    await court.consumer.event(MERGED, **MERGE)
    assert court.consumer.telemetry.events[0] == (
        "from-nomis-sync-court-case-duplicate",
        {
            "duplicateDpsCourtCaseId": "new-case", "duplicateNomisCourtCaseId": "70050",
            "existingDpsCourtCaseId": "unknown", "existingNomisCourtCaseId": "unknown",
        },
    )  # fmt: skip
    assert court.consumer.queues.sent == []
