"""What operators can ask for (court sentencing card, section 8).

Most do what an event would, with the module name of NOMIS, and are told of even when that event would be passed over.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.domains.court_sentencing.appearances import AppearanceEvent, AppearanceWork
from nomis_pipelines.domains.court_sentencing.cases import (
    IDENTIFIER_UPDATED,
    CaseEvent,
    CaseIdentifierEvent,
    CaseWork,
)
from nomis_pipelines.domains.court_sentencing.charges import ChargeWork, EventChargeEvent
from nomis_pipelines.domains.court_sentencing.corrections import CorrectionWork
from nomis_pipelines.domains.court_sentencing.prisoners import Prisoner, PrisonerWork
from nomis_pipelines.domains.court_sentencing.sentences import INDIVIDUAL, SentenceEvent, SentenceWork
from nomis_pipelines.domains.court_sentencing.terms import TermEvent, TermWork
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines.synchronisation.repair import Repair

NOMIS = "NOMIS"
IN_SCOPE = "220"
"""A sentence category that is in scope: the repair of an update does not know the sentence's own (row 4)."""
BOOKING = "/prisoners/{offenderNo}/booking-id/{bookingId}/court-sentencing"
PRISONER = "/prisoners/{offenderNo}/court-sentencing"


class _Parameters(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class CaseOfPrisoner(_Parameters):
    """A case."""

    offender_no: str
    case_id: int


class AppearanceOfPrisoner(CaseOfPrisoner):
    """An appearance of a case."""

    event_id: int


class CaseOfBooking(CaseOfPrisoner):
    """A case on a booking."""

    booking_id: int


class AppearanceOfBooking(CaseOfBooking):
    """An appearance of a case on a booking."""

    event_id: int


class SentenceOfBooking(CaseOfBooking):
    """A sentence of a case on a booking."""

    sentence_seq: int


class NewSentence(SentenceOfBooking):
    """The same, with what decides whether DPS takes it."""

    sentence_level: str
    sentence_category: str


class TermOfBooking(_Parameters):
    """A term of a sentence."""

    offender_no: str
    booking_id: int
    sentence_seq: int
    term_seq: int


class ChargeOfBooking(_Parameters):
    """A charge on an appearance."""

    offender_no: str
    booking_id: int
    event_id: int
    charge_id: int


async def repair_cases(context: SyncContext, prisoner: Prisoner) -> None:
    """Row 1."""
    await PrisonerWork(context).migrate_again(prisoner.offender_no)
    context.telemetry.event("court-sentencing-prisoner-cases-repaired", {"offenderNo": prisoner.offender_no})


async def repair_case_status(context: SyncContext, case: CaseOfBooking) -> None:
    """Row 2."""
    event = CaseEvent(
        case_id=case.case_id,
        offender_id_display=case.offender_no,
        booking_id=case.booking_id,
        audit_module_name=NOMIS,
    )
    await CaseWork(context).update(event)
    context.telemetry.event(
        "court-sentencing-prisoner-case-status-repaired",
        {"offenderNo": case.offender_no, "nomisBookingId": case.booking_id, "nomisCourtCaseId": case.case_id},
    )


async def repair_sentence(context: SyncContext, sentence: NewSentence) -> None:
    """Row 3."""
    await SentenceWork(context).insert(
        _sentence_event(sentence, level=sentence.sentence_level, category=sentence.sentence_category)
    )
    context.telemetry.event(
        "court-sentencing-prisoner-sentence-repaired",
        {
            "offenderNo": sentence.offender_no,
            "nomisBookingId": sentence.booking_id,
            "nomisSentenceSequence": sentence.sentence_seq,
            "nomisSentenceLevel": sentence.sentence_level,
            "nomisSentenceCategory": sentence.sentence_category,
            "caseId": sentence.case_id,
        },
    )


async def repair_sentence_update(context: SyncContext, sentence: SentenceOfBooking) -> None:
    """Row 4."""
    await SentenceWork(context).update(_sentence_event(sentence, level=INDIVIDUAL, category=IN_SCOPE))
    context.telemetry.event(
        "court-sentencing-prisoner-sentence-update-repaired",
        {
            "offenderNo": sentence.offender_no,
            "nomisBookingId": sentence.booking_id,
            "nomisCaseId": sentence.case_id,
            "nomisSentenceSequence": sentence.sentence_seq,
        },
    )


async def repair_term(context: SyncContext, term: TermOfBooking) -> None:
    """Row 5."""
    event = TermEvent(
        sentence_seq=term.sentence_seq,
        term_sequence=term.term_seq,
        offender_id_display=term.offender_no,
        booking_id=term.booking_id,
        audit_module_name=NOMIS,
    )
    await TermWork(context).insert(event)
    context.telemetry.event(
        "court-sentencing-prisoner-sentence-term-repaired",
        {
            "offenderNo": term.offender_no,
            "nomisBookingId": term.booking_id,
            "nomisSentenceSequence": term.sentence_seq,
            "nomisTermSequence": term.term_seq,
        },
    )


async def repair_charge(context: SyncContext, charge: ChargeOfBooking) -> None:
    """Row 6."""
    event = EventChargeEvent(
        event_id=charge.event_id,
        charge_id=charge.charge_id,
        offender_id_display=charge.offender_no,
        booking_id=charge.booking_id,
        audit_module_name=NOMIS,
    )
    await ChargeWork(context).insert(event)
    context.telemetry.event(
        "court-charge-synchronisation-created-repaired",
        {
            "offenderNo": charge.offender_no,
            "nomisBookingId": charge.booking_id,
            "nomisOffenderChargeId": charge.charge_id,
            "nomisCourtAppearanceId": charge.event_id,
        },
    )


async def repair_appearance(context: SyncContext, appearance: AppearanceOfBooking) -> None:
    """Row 7."""
    await AppearanceWork(context).insert(_appearance_event(appearance))
    context.telemetry.event("court-sentencing-appearance-created-repaired", _told_of(appearance))


async def repair_appearance_update(context: SyncContext, appearance: AppearanceOfBooking) -> None:
    """Row 8."""
    await AppearanceWork(context).update(_appearance_event(appearance))
    context.telemetry.event("court-sentencing-appearance-update-repaired", _told_of(appearance))


async def prune_appearances(context: SyncContext, case: CaseOfPrisoner) -> None:
    """Row 9."""
    await CorrectionWork(context).prune(case.offender_no, case.case_id)


async def repair_appearance_charges(context: SyncContext, appearance: AppearanceOfPrisoner) -> None:
    """Row 10."""
    await CorrectionWork(context).repair_charges(appearance.offender_no, appearance.case_id, appearance.event_id)


async def repair_references(context: SyncContext, case: CaseOfPrisoner) -> None:
    """Row 11."""
    event = CaseIdentifierEvent(
        case_id=case.case_id, identifier_type="repair", identifier_no="repair", audit_module_name="repair"
    )
    await CaseWork(context).refresh_references(event, IDENTIFIER_UPDATED)
    context.telemetry.event(
        "court-sentencing-prisoner-court-case-info-numbers-updated",
        {"offenderNo": case.offender_no, "nomisCaseId": case.case_id},
    )


REPAIRS: Sequence[Repair] = (
    Repair(
        name="cases",
        summary="Migrate all court cases of a prisoner again, in the place of what DPS has",
        method="POST",
        path=f"{PRISONER}/court-cases/repair",
        parameters=Prisoner,
        work=repair_cases,
    ),
    Repair(
        name="case_status",
        summary="Send a court case to DPS again",
        method="PUT",
        path=f"{BOOKING}/court-cases/{{caseId}}/status/repair",
        parameters=CaseOfBooking,
        work=repair_case_status,
    ),
    Repair(
        name="sentence",
        summary="Create a sentence in DPS that has no mapping",
        method="POST",
        path=(
            f"{BOOKING}/case/{{caseId}}/sentences/{{sentenceSeq}}/sentence-level/{{sentenceLevel}}"
            "/sentence-category/{sentenceCategory}/repair"
        ),
        parameters=NewSentence,
        work=repair_sentence,
    ),
    Repair(
        name="sentence_update",
        summary="Send a sentence to DPS again",
        method="PUT",
        path=f"{BOOKING}/court-cases/{{caseId}}/sentences/{{sentenceSeq}}/repair",
        parameters=SentenceOfBooking,
        work=repair_sentence_update,
    ),
    Repair(
        name="term",
        summary="Create a sentence term in DPS that has no mapping",
        method="POST",
        path=f"{BOOKING}/sentences/{{sentenceSeq}}/terms/{{termSeq}}/repair",
        parameters=TermOfBooking,
        work=repair_term,
    ),
    Repair(
        name="charge",
        summary="Put a charge on a court appearance in DPS, and create it when it has no mapping",
        method="POST",
        path=f"{BOOKING}/appearances/{{eventId}}/charges/{{chargeId}}/repair",
        parameters=ChargeOfBooking,
        work=repair_charge,
    ),
    Repair(
        name="appearance",
        summary="Create a court appearance in DPS that has no mapping",
        method="POST",
        path=f"{BOOKING}/court-cases/{{caseId}}/appearances/{{eventId}}/repair",
        parameters=AppearanceOfBooking,
        work=repair_appearance,
    ),
    Repair(
        name="appearance_update",
        summary="Send a court appearance to DPS again",
        method="PUT",
        path=f"{BOOKING}/court-cases/{{caseId}}/appearances/{{eventId}}/repair",
        parameters=AppearanceOfBooking,
        work=repair_appearance_update,
    ),
    Repair(
        name="prune_appearances",
        summary="Delete court appearances in DPS that the case does not have in NOMIS",
        method="DELETE",
        path=f"{PRISONER}/court-cases/{{caseId}}/court-appearances/prune-dps",
        parameters=CaseOfPrisoner,
        work=prune_appearances,
    ),
    Repair(
        name="appearance_charges",
        summary="Let a court appearance in DPS have just the charges it has in NOMIS",
        method="PUT",
        path=f"{PRISONER}/court-cases/{{caseId}}/appearances/{{eventId}}/repair-charges",
        parameters=AppearanceOfPrisoner,
        work=repair_appearance_charges,
    ),
    Repair(
        name="court_info_numbers",
        summary="Send the references of a court case to DPS again",
        method="PUT",
        path=f"{PRISONER}/court-cases/{{caseId}}/court-info-numbers",
        parameters=CaseOfPrisoner,
        work=repair_references,
    ),
)


def _sentence_event(sentence: SentenceOfBooking, *, level: str, category: str) -> SentenceEvent:
    return SentenceEvent(
        sentence_seq=sentence.sentence_seq,
        sentence_level=level,
        sentence_category=category,
        case_id=sentence.case_id,
        offender_id_display=sentence.offender_no,
        booking_id=sentence.booking_id,
        audit_module_name=NOMIS,
    )


def _appearance_event(appearance: AppearanceOfBooking) -> AppearanceEvent:
    return AppearanceEvent(
        event_id=appearance.event_id,
        case_id=appearance.case_id,
        offender_id_display=appearance.offender_no,
        booking_id=appearance.booking_id,
        audit_module_name=NOMIS,
    )


def _told_of(appearance: AppearanceOfBooking) -> dict[str, object]:
    return {
        "offenderNo": appearance.offender_no,
        "nomisBookingId": appearance.booking_id,
        "nomisCaseId": appearance.case_id,
        "nomisCourtAppearanceId": appearance.event_id,
    }
