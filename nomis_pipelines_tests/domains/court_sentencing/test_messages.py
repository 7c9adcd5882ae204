"""Promise: sections 7.14, 7.15 and 9 of the court sentencing card: our own messages, others', duplicates."""

from typing import Any

import httpx
import pytest

from nomis_pipelines.domains import consumers_of, domain
from nomis_pipelines.domains.court_sentencing import COURT_SENTENCING
from nomis_pipelines.domains.court_sentencing.entities import ENTITIES, CourtKey
from nomis_pipelines.ledger import State
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines.synchronisation.declaration import HandlerSet
from nomis_pipelines_tests.domains.court_sentencing.conftest import Court
from nomis_pipelines_tests.domains.court_sentencing.examples import (
    BOOKING,
    CASE,
    CHARGE,
    COURT_CASE,
    FIRST,
    FIRST_EVENT,
    MAPPED,
    NEW,
    PRISONER,
    SECOND,
    SENTENCE,
    Key,
    conflict,
    internal,
)
from nomis_pipelines_tests.domains.court_sentencing.test_tables import MADE as CHARGE_MADE, OF, A, C, H, S, T

pytestmark = pytest.mark.server

NO_LISTS = {"courtAppearances": [], "courtCharges": [], "sentences": []}
INSERTS: dict[str, tuple[str, Key, dict[str, str]]] = {
    "case": ("OFFENDER_CASES", ("case", 70001), {**C, "dpsCourtCaseId": NEW}),
    "appearance": (
        "COURT_EVENTS", ("appearance", 81001),
        {**A, "nomisCourtCaseId": "70001", "dpsCourtCaseId": CASE, "dpsCourtAppearanceId": NEW},
    ),
    "charge": ("COURT_EVENT_CHARGES", ("charge", 9101), {**CHARGE_MADE, "dpsChargeId": NEW}),
    "sentence": ("OFFENDER_SENTENCES", ("sentence", BOOKING, 1), {**S, "dpsSentenceId": NEW}),
    "term": ("OFFENDER_SENTENCE_TERMS", ("term", BOOKING, 1, 1), {**T, "dpsTermId": NEW}),
}  # fmt: skip
DUPLICATES = {
    "case": ("from-nomis-sync-court-case-duplicate", {"DpsCourtCaseId": None, "NomisCourtCaseId": "70001"}),
    "appearance": (
        "from-nomis-sync-court-appearance-duplicate",
        {"DpsCourtAppearanceId": None, "NomisCourtAppearanceId": "81001"},
    ),
    "charge": ("from-nomis-sync-charge-duplicate", {"DpsCourtChargeId": None, "NomisCourtChargeId": "9101"}),
    "sentence": (
        "from-nomis-sync-sentence-duplicate",
        {"DpsSentenceId": None, "NomisSentenceSequence": "1", "NomisBookingId": str(BOOKING)},
    ),
    "term": (
        "from-nomis-sync-sentence-term-duplicate",
        {
            "DpsTermId": None, "NomisSentenceSequence": "1", "NomisTermSequence": "1", "NomisBookingId": str(BOOKING),
        },
    ),
}  # fmt: skip
every_entity = pytest.mark.parametrize("name", INSERTS)


def pair_of(name: str, dps_id: str = NEW) -> dict[str, Any]:
    _, key, _ = INSERTS[name]
    pair = ENTITIES[name].pair(key[1:], dps_id, "NOMIS_CREATED")
    return {**pair, **NO_LISTS} if name == "case" else pair


def post_of(name: str) -> str:
    return f"POST mapping {ENTITIES[name].path.removeprefix('/mapping/court-sentencing')}"


async def insert(court: Court, name: str, *answers: httpx.Response) -> None:
    event, key, _ = INSERTS[name]
    del court.services.mapped[key]
    if answers:
        court.services.answer(post_of(name), *answers)
    await court.consumer.event(f"{event}-INSERTED", **OF[event])


@every_entity
async def test_a_mapping_that_is_refused_is_left_to_a_message_that_posts_only_it(court: Court, name: str) -> None:
    event, _, told = INSERTS[name]
    await insert(court, name, httpx.Response(500), httpx.Response(500), httpx.Response(201))
    kind, did = ENTITIES[name].retry, ENTITIES[name].retried
    assert court.consumer.queues.sent == [("eventcourtsentencing", kind, pair_of(name), told)]
    message = internal(kind, pair_of(name), told)
    with pytest.raises(Exception, match="500"):
        await court.consumer.receive(message)
    await court.consumer.receive(message)
    assert [call for call, _ in court.services.writes if " dps " in call] == [court.services.writes[0][0]]
    assert court.services.writes[-1] == (post_of(name), pair_of(name))
    (first, properties), second = court.consumer.telemetry.events
    assert first.endswith("-created-success"), event
    assert properties == {**told, "mapping": "initial-failure"}
    assert second == (did, told)


@every_entity
async def test_a_mapping_that_clashes_is_told_as_a_duplicate_and_counts_as_created(court: Court, name: str) -> None:
    other = pair_of(name, "22222222-2222-4333-8444-555555555555")
    await insert(court, name, conflict(pair_of(name), other))
    event, fields = DUPLICATES[name]
    told = {
        f"{which}{field}": value or pair[ENTITIES[name].dps_field]
        for which, pair in (("duplicate", pair_of(name)), ("existing", other))
        for field, value in fields.items()
    }
    assert court.consumer.telemetry.events[0] == (event, told)
    assert court.consumer.telemetry.events[1][1] == INSERTS[name][2]
    assert court.consumer.queues.sent == []
    key = CourtKey.of(PRISONER, ENTITIES[name], INSERTS[name][1][1:]).ledger_key
    record = await court.consumer.context.ledger.record(key)
    assert record is not None
    assert record.state is State.DUPLICATE


@every_entity
async def test_a_retried_mapping_that_clashes_counts_as_recorded_and_is_no_duplicate_event(
    court: Court, name: str
) -> None:
    told = INSERTS[name][2]
    court.services.answer(post_of(name), conflict(pair_of(name), pair_of(name, SECOND)))
    await court.consumer.receive(internal(ENTITIES[name].retry, pair_of(name), told))
    assert court.consumer.telemetry.events == [(ENTITIES[name].retried, told)]


@every_entity
async def test_an_event_that_comes_again_makes_nothing_twice(court: Court, name: str) -> None:
    await insert(court, name)
    event = INSERTS[name][0]
    await court.consumer.event(f"{event}-INSERTED", **OF[event])
    creates = [call for call, _ in court.services.writes if call.startswith("POST dps")]
    assert len(creates) == 1


@every_entity
async def test_a_create_whose_outcome_is_unknown_is_never_repeated_and_holds_up_its_delete(
    court: Court, name: str
) -> None:
    event, key, _ = INSERTS[name]
    del court.services.mapped[key]
    create = next(call for call in ("case", "appearance", "charge", "sentence", "term") if call == name)
    path = {
        "case": "court-case", "appearance": "court-appearance", "charge": "charge", "sentence": "sentence",
        "term": "period-length",
    }[create]  # fmt: skip
    court.services.answer(f"POST dps /legacy/{path}", httpx.Response(201, text="<html>"))
    for _ in range(2):
        with pytest.raises(HandlerError, match="in doubt"):
            await court.consumer.event(f"{event}-INSERTED", **OF[event])
    assert len(court.services.writes) == 1
    with pytest.raises(HandlerError, match="in_doubt"):
        await court.consumer.event(f"{event}-DELETED", **OF[event])


async def test_the_resync_of_a_case_sends_it_under_the_id_it_is_given(court: Court) -> None:
    body = {"dpsCaseUuid": "some-case", "offenderNo": PRISONER, "caseId": 70001}
    await court.consumer.receive(internal("courtsentencing.resync.case", body))
    ((call, sent),) = court.services.writes
    assert call == "PUT dps /legacy/court-case/some-case"
    assert sent == {
        "prisonerId": PRISONER, "active": True, "bookingId": BOOKING, "performedByUser": "CLERK1",
        "legacyData": {
            "caseReferences": [
                {"offenderCaseReference": "LS24/118", "updatedDate": "2024-02-01T09:10:12"},
                {"offenderCaseReference": "T2024/9", "updatedDate": "2024-02-02T08:00:00"},
            ]
        },
    }  # fmt: skip
    told = {"dpsCaseId": "some-case", "nomisCaseId": "70001", "offenderNo": PRISONER, "nomisBookingId": str(BOOKING)}
    assert court.consumer.telemetry.events == [("court-case-resynchronisation-success", told)]


async def test_the_resync_of_a_sentence_takes_the_ids_of_the_message(court: Court) -> None:
    body = {
        "sentenceSeq": 1, "dpsSentenceUuid": SECOND, "offenderNo": PRISONER, "bookingId": BOOKING, "caseId": 70001,
        "dpsAppearanceUuid": NEW, "dpsConsecutiveSentenceUuid": SENTENCE,
    }  # fmt: skip
    await court.consumer.receive(internal("courtsentencing.resync.sentence", body))
    ((call, sent),) = court.services.writes
    assert call == f"PUT dps /legacy/sentence/{SECOND}"
    named = (sent["appearanceUuid"], sent["consecutiveToLifetimeUuid"], sent["chargeUuids"])
    assert named == (NEW, SENTENCE, [CHARGE])
    assert court.consumer.telemetry.events == [
        (
            "sentence-resynchronisation-success",
            {
                "nomisBookingId": str(BOOKING), "nomisSentenceSequence": "1", "dpsSentenceId": SECOND,
                "nomisCaseId": "70001", "dpsAppearanceId": NEW, "offenderNo": PRISONER,
            },
        )
    ]  # fmt: skip


CLONE: dict[str, Any] = {
    "offenderNo": PRISONER,
    "fromBookingId": 80111,
    "toBookingId": BOOKING,
    "caseIds": [60001],
    "casesMoved": [{"caseId": 70001, "sentences": [{"sentenceSequence": 1}]}],
}
CLONED = {
    "nomisCaseIds": "60001", "offenderNo": PRISONER, "fromBookingId": "80111", "toBookingId": str(BOOKING),
}  # fmt: skip
CLONE_MADE = {
    "courtCases": [{"courtCaseUuid": "old-case", "caseId": 60001}],
    "appearances": [{"appearanceUuid": NEW, "eventId": 61001}],
    "charges": [], "sentences": [], "sentenceTerms": [],
}  # fmt: skip
CLONE_BATCH = {
    "mappingType": "NOMIS_CREATED",
    "courtCases": [{"nomisCourtCaseId": 60001, "dpsCourtCaseId": "old-case"}],
    "courtAppearances": [
        {"nomisCourtAppearanceId": 61001, "dpsCourtAppearanceId": NEW, "mappingType": "NOMIS_CREATED"}
    ],
    "courtCharges": [], "sentences": [], "sentenceTerms": [],
}  # fmt: skip


def clone_in_nomis(court: Court) -> None:
    original = {**COURT_CASE, "id": 60001, "bookingId": 80111, "courtEvents": [], "sentences": []}
    court.services.nomis[f"/prisoners/{PRISONER}/sentencing/court-cases/get-list"] = [original]
    court.services.answer("POST dps /legacy/court-case/booking", httpx.Response(201, json=CLONE_MADE))
    court.services.answer("PUT mapping /court-cases/replace", httpx.Response(200))


async def test_cases_copied_to_another_booking_are_sent_again_and_their_originals_made(court: Court) -> None:
    clone_in_nomis(court)
    for _ in range(2):  # what is delivered twice is made once
        await court.consumer.receive(internal("courtsentencing.resync.case.booking", CLONE))
    calls = [call for call, _ in court.services.writes]
    again = [f"PUT dps /legacy/court-case/{CASE}", f"PUT dps /legacy/sentence/{SENTENCE}"]
    assert calls == [*again, "POST dps /legacy/court-case/booking", "PUT mapping /court-cases/replace", *again]
    assert court.services.writes[3][1] == CLONE_BATCH
    assert court.consumer.telemetry.names()[:3] == [
        "court-case-resynchronisation-success",
        "sentence-synchronisation-updated-success",
        "court-case-booking-resynchronisation-success",
    ]
    updated = court.consumer.telemetry.named("sentence-synchronisation-updated-success")[0]
    assert updated.items() >= {**CLONED, "dpsSentenceId": SENTENCE}.items()
    assert court.consumer.telemetry.named("court-case-booking-resynchronisation-success")[0] == CLONED


@pytest.mark.parametrize("status", [500, 409])
async def test_a_clone_whose_batch_is_refused_for_whatever_reason_is_left_to_a_message(
    court: Court, status: int
) -> None:
    clone_in_nomis(court)
    refused = conflict(CLONE_BATCH, CLONE_BATCH) if status == 409 else httpx.Response(500)
    court.services.answer("PUT mapping /court-cases/replace", refused, httpx.Response(200))
    await court.consumer.receive(internal("courtsentencing.resync.case.booking", {**CLONE, "casesMoved": []}))
    kind, attributes = "court_case_booking_clone_synchronisation_retry", {"offenderNo": PRISONER}
    assert court.consumer.queues.sent == [("eventcourtsentencing", kind, CLONE_BATCH, attributes)]
    await court.consumer.receive(internal(kind, CLONE_BATCH, attributes))
    assert court.services.writes[-1] == ("PUT mapping /court-cases/replace", CLONE_BATCH)
    assert court.consumer.telemetry.events == [
        ("court-case-booking-resynchronisation-success", CLONED),
        ("from-nomis-synch-court-case-booking-clone-mapping-retry-success", attributes),
    ]


async def test_a_clone_of_nothing_only_tells(court: Court) -> None:
    body = {"offenderNo": PRISONER, "caseIds": []}
    await court.consumer.receive(internal("courtsentencing.resync.case.booking", body))
    assert court.services.writes == []
    told = {"nomisCaseIds": "", "offenderNo": PRISONER, "fromBookingId": "0", "toBookingId": "0"}
    assert court.consumer.telemetry.events == [("court-case-booking-resynchronisation-success", told)]


BREACH = {"offenderNo": PRISONER, "courtAppearanceId": 81001}


async def test_the_appearance_of_a_recall_is_made_and_a_message_asks_for_each_of_its_charges(court: Court) -> None:
    del court.services.mapped["appearance", 81001]
    del court.services.mapped["charge", 9101]
    kind = "courtsentencing.resync.breach-court-appearance.inserted"
    await court.consumer.receive(internal(kind, BREACH))
    told = {
        "nomisCourtAppearanceId": "81001", "offenderNo": PRISONER, "nomisCourtCaseId": "70001",
        "dpsCourtCaseId": CASE, "dpsCourtAppearanceId": NEW,
    }  # fmt: skip
    body = {"eventId": 81001, "chargeId": 9101, "offenderIdDisplay": PRISONER}
    asked = ("eventcourtsentencing", "recall_breach_court_event_charge_inserted", body, told)
    assert court.consumer.queues.sent == [asked]
    await court.consumer.receive(internal(asked[1], body, told))
    charge = {
        **H, "nomisBookingId": "null", "dpsCourtAppearanceId": NEW, "existingDpsCharge": "false",
        "nomisOutcomeCode": "null", "dpsChargeId": NEW,
    }  # fmt: skip
    assert court.consumer.telemetry.events == [
        ("recall-breach-court-appearance-synchronisation-success", told),
        ("court-charge-synchronisation-created-success", charge),
    ]


@pytest.mark.parametrize("what", ["inserted", "updated"])
async def test_the_appearance_of_a_recall_without_a_mapped_case_is_an_error(court: Court, what: str) -> None:
    del court.services.mapped["case", 70001]
    with pytest.raises(Exception, match="404"):
        await court.consumer.receive(internal(f"courtsentencing.resync.breach-court-appearance.{what}", BREACH))
    (name,) = court.consumer.telemetry.names()
    assert name.startswith("recall-breach-court-appearance-")
    assert name.endswith("-error")


async def test_the_appearance_of_a_recall_is_brought_up_to_date(court: Court) -> None:
    await court.consumer.receive(internal("courtsentencing.resync.breach-court-appearance.updated", BREACH))
    ((call, body),) = court.services.writes
    assert call == f"PUT dps /legacy/court-appearance/{FIRST}"
    assert body == {
        "courtCaseUuid": CASE, "courtCode": "LEEDMC", "appearanceDate": "2024-02-01",
        "appearanceDateTime": FIRST_EVENT["eventDateTime"], "performedByUser": "CLERK1",
        "legacyData": {
            "postedDate": "2025-03-14", "nomisOutcomeCode": "4506", "outcomeDescription": "Adjournment",
            "outcomeDispositionCode": "I", "outcomeConvictionFlag": False,
            "nextEventDateTime": "2024-03-05T10:30:00", "appearanceTime": "10:00", "nomisAppearanceTypeCode": "CRT",
        },
    }  # fmt: skip
    told = {
        "offenderNo": PRISONER, "nomisCourtAppearanceId": "81001", "nomisCourtCaseId": "70001",
        "dpsCourtAppearanceId": FIRST, "dpsCourtCaseId": CASE,
    }  # fmt: skip
    assert court.consumer.telemetry.events == [("recall-breach-court-appearance-resynchronisation-success", told)]


@pytest.mark.parametrize(
    ("event", "path", "told"),
    [
        ("OFFENDER_SENTENCES", f"/sentences/dps-sentence-id/{SENTENCE}", ("sentence", {"dpsSentenceId": SENTENCE})),
        (
            "OFFENDER_SENTENCE_TERMS",
            f"/sentence-terms/dps-term-id/{MAPPED['term', BOOKING, 1, 1]}",
            ("sentence-term", {"dpsTermId": MAPPED["term", BOOKING, 1, 1]}),
        ),
    ],
)
async def test_the_mapping_of_a_deleted_sentence_or_term_is_asked_for_ten_times(
    court: Court, event: str, path: str, told: tuple[str, dict[str, str]]
) -> None:
    court.services.answer(f"DELETE mapping {path}", httpx.Response(500))
    await court.consumer.event(f"{event}-DELETED", **OF[event])
    assert [call for call, _ in court.services.writes].count(f"DELETE mapping {path}") == 10
    kind, properties = told
    (first, second) = court.consumer.telemetry.events
    assert first == (f"{kind}-mapping-deleted-failed", properties)
    assert second[0] == f"{kind}-synchronisation-deleted-success"


def test_the_handled_messages_are_those_of_the_card_and_the_queue_is_consumed_here() -> None:
    handlers = [handler for declared in COURT_SENTENCING.synchronisation for handler in declared.handlers]
    assert len([handler for handler in handlers if handler.kind == "event"]) == 26
    assert {handler.type for handler in handlers if handler.kind == "internal"} == {
        "court_case_synchronisation_retry", "court_appearance_synchronisation_retry",
        "court_charge_synchronisation_retry", "sentence_synchronisation_retry", "sentence_term_synchronisation_retry",
        "prisoner_merge_court_case_synchronisation_retry", "court_case_booking_clone_synchronisation_retry",
        "recall_breach_court_event_charge_inserted", "courtsentencing.resync.case", "courtsentencing.resync.sentence",
        "courtsentencing.resync.case.booking", "courtsentencing.resync.breach-court-appearance.inserted",
        "courtsentencing.resync.breach-court-appearance.updated",
    }  # fmt: skip
    (queue,) = COURT_SENTENCING.queues
    served = consumers_of(COURT_SENTENCING)[queue]
    assert {declared.__module__.split(".")[2] for declared in served} == {"court_sentencing", "sentencing_adjustments"}
    assert queue not in consumers_of(domain("sentencing_adjustments"))


async def test_the_adjustments_of_sentences_are_served_by_the_same_consumer(court: Court) -> None:
    (classes,) = consumers_of(COURT_SENTENCING).values()
    handlers = HandlerSet.of(classes, court.consumer.context)
    assert "courtsentencing.resync.sentence-adjustments" in handlers.internals
    assert handlers.redelivery_seconds == (1, 1, 1, 1, 1, 1, 5, 5, 60) * 2


async def test_whatever_changes_one_prisoner_has_one_key_but_for_references_which_do_not_say_whose_they_are(
    court: Court,
) -> None:
    handlers = HandlerSet.of(COURT_SENTENCING.synchronisation, court.consumer.context)
    extra = {"combinedCaseId": "70002", "caseId": "70001", "eventDatetime": "2025-03-13T09:30:00"}
    for event, bound in handlers.events.items():
        if event == "prison-offender-events.prisoner.merged":
            continue
        body = bound.handler.body.validate_python({**extra, **OF[event.rpartition("-")[0]]}, strict=False)
        identifiers = event.startswith("OFFENDER_CASE_IDENTIFIERS")
        assert bound.handler.key(body) == ("case/70001" if identifiers else PRISONER), event
