"""NOMIS court cases to DPS's: pure rules (court sentencing card, section 6).

Migration, merge and clone send whole cases; events send each part alone, with the same fields. Codes and texts pass
straight through.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from uuid import UUID

from nomis_pipelines.contracts.court_sentencing import (
    CaseReference,
    ChargeLegacyData,
    CourtAppearanceLegacyData,
    CourtCaseLegacyData,
    Fine,
    LegacyCharge,
    LegacyCourtAppearance,
    LegacyCourtCase,
    LegacyPeriodLength,
    LegacySentence,
    LegacyUpdateCharge,
    PeriodLengthId,
    PeriodLengthLegacyData,
    PrisonerCourtCases,
    SentenceId,
    SentenceLegacyData,
    WholeCharge,
    WholeCourtAppearance,
    WholeCourtCase,
    WholePeriodLength,
    WholeSentence,
)
from nomis_pipelines.contracts.nomis_prisoner import (
    CourtCase,
    CourtEvent,
    CourtEventCharge,
    Sentence,
    SentenceTerm,
)
from nomis_pipelines.domains.court_sentencing.entities import MAPPINGS
from nomis_pipelines.domains.ids import dps_uuid as mapped_uuid

ACTIVE = "A"
REFERENCE_TYPE = "CASE/INFO#"
"""The only references that a refresh sends; creates and updates send all of them (section 11)."""

Made = CourtCase | CourtEvent | CourtEventCharge | Sentence | SentenceTerm


def performed_by(record: Made) -> str:
    """Who changed it last, else who made it."""
    return record.modified_by_username or record.created_by_username


def shortest(moment: datetime | time) -> str:
    """ISO without seconds when they and their fraction are zero; a fraction has three or six digits."""
    if moment.microsecond % 1000:
        return moment.isoformat(timespec="microseconds")
    if moment.microsecond:
        return moment.isoformat(timespec="milliseconds")
    return moment.isoformat(timespec="seconds" if moment.second else "minutes")


def dps_uuid(text: str) -> UUID:
    """A DPS id where a body takes only a UUID (section 11). Raises `InvalidAnswer`: the mapping service gave it."""
    return mapped_uuid(text, MAPPINGS)


def prisoner_cases(offender_no: str, cases: Sequence[CourtCase], today: date) -> PrisonerCourtCases:
    """The body of a migration or a clone."""
    return PrisonerCourtCases(prisoner_id=offender_no, court_cases=[whole_case(case, today) for case in cases])


def whole_case(case: CourtCase, today: date) -> WholeCourtCase:
    """Section 6.1, in bulk."""
    merged = True if case.combined_case_id is not None else False if case.source_combined_case_ids else None
    return WholeCourtCase(
        case_id=case.id,
        active=case_active(case),
        court_case_legacy_data=CourtCaseLegacyData(booking_id=case.booking_id, case_references=references(case)),
        appearances=[whole_appearance(event, case.sentences, today) for event in case.court_events],
        merged=merged,
    )


def whole_appearance(event: CourtEvent, sentences: Sequence[Sentence], today: date) -> WholeCourtAppearance:
    """Section 6.2, in bulk; `sentences` are those of the case."""
    passed_here = [each for each in sentences if each.court_order is not None and each.court_order.event_id == event.id]
    return WholeCourtAppearance(
        event_id=event.id,
        court_code=event.court_id,
        appearance_date=event.event_date_time.date(),
        legacy_data=_appearance_data(event, today),
        charges=[whole_charge(charge, passed_here, today) for charge in event.court_event_charges],
    )


def whole_charge(charge: CourtEventCharge, passed_here: Sequence[Sentence], today: date) -> WholeCharge:
    """Sections 6.3 and 6.4, in bulk: with the first sentence passed at the appearance that covers the charge."""
    charge_id = charge.offender_charge.id
    covering = (each for each in passed_here if any(covered.id == charge_id for covered in each.offender_charges))
    sentence = next(covering, None)
    linked = charge.linked_case_details
    return WholeCharge(
        chargeNOMISId=charge_id,
        offence_code=charge.offender_charge.offence.offence_code,
        offence_start_date=charge.offence_date,
        offence_end_date=charge.offence_end_date,
        legacy_data=_charge_data(charge, today),
        sentence=whole_sentence(sentence) if sentence is not None else None,
        merged_from_case_id=linked.case_id if linked is not None else None,
        merged_from_date=linked.date_linked if linked is not None else None,
    )


def whole_sentence(sentence: Sentence) -> WholeSentence:
    """Section 6.5, in bulk."""
    booking, follows = sentence.booking_id, sentence.consec_sequence
    return WholeSentence(
        sentence_id=SentenceId(offender_booking_id=booking, sequence=sentence.sentence_seq),
        fine=_fine(sentence),
        active=sentence_active(sentence),
        legacy_data=_sentence_data(sentence),
        consecutive_to_sentence_id=(
            SentenceId(offender_booking_id=booking, sequence=follows) if follows is not None else None
        ),
        period_lengths=[_whole_term(sentence, term) for term in sentence.sentence_terms],
        return_to_custody_date=_return_date(sentence),
    )


def case_active(case: CourtCase) -> bool:
    """Whether a case is active."""
    return case.case_status.code == ACTIVE


def sentence_active(sentence: Sentence) -> bool:
    """Whether a sentence is active."""
    return sentence.status == ACTIVE


def references(case: CourtCase, only: str | None = None) -> list[CaseReference]:
    """The references of a case in NOMIS's order, all of them or those of one type."""
    return [
        CaseReference(offender_case_reference=number.reference, updated_date=number.create_date_time)
        for number in case.case_info_numbers
        if only is None or number.type == only
    ]


def case_body(case: CourtCase) -> LegacyCourtCase:
    """A case alone. The prisoner is NOMIS's, not the event's."""
    return LegacyCourtCase(
        prisoner_id=case.offender_no,
        active=case_active(case),
        legacy_data=CourtCaseLegacyData(case_references=references(case)),
        booking_id=case.booking_id,
        performed_by_user=performed_by(case),
    )


def appearance_body(event: CourtEvent, case: str, today: date) -> LegacyCourtAppearance:
    """An appearance alone, of the DPS case `case`."""
    return LegacyCourtAppearance(
        court_case_uuid=case,
        court_code=event.court_id,
        appearance_date=event.event_date_time.date(),
        appearance_date_time=event.event_date_time,
        legacy_data=_appearance_data(event, today),
        performed_by_user=performed_by(event),
    )


def charge_body(charge: CourtEventCharge, appearance: str, today: date) -> LegacyCharge:
    """A new charge, with the DPS appearance it is on."""
    return LegacyCharge(
        appearance_lifetime_uuid=dps_uuid(appearance),
        offence_code=charge.offender_charge.offence.offence_code,
        offence_start_date=charge.offence_date,
        offence_end_date=charge.offence_end_date,
        legacy_data=_charge_data(charge, today),
        performed_by_user=performed_by(charge),
    )


def charge_update(charge: CourtEventCharge, today: date) -> LegacyUpdateCharge:
    """A charge that DPS knows, as at one appearance; the offence goes along to survive races (section 6.3)."""
    return LegacyUpdateCharge(
        offence_code=charge.offender_charge.offence.offence_code,
        offence_start_date=charge.offence_date,
        offence_end_date=charge.offence_end_date,
        legacy_data=_charge_data(charge, today),
        performed_by_user=performed_by(charge),
    )


def sentence_body(
    sentence: Sentence, appearance: str, charges: Sequence[str], consecutive_to: str | None
) -> LegacySentence:
    """A sentence without its terms; appearance, charges and the sentence it follows by their DPS ids."""
    return LegacySentence(
        charge_uuids=[dps_uuid(charge) for charge in charges],
        appearance_uuid=dps_uuid(appearance),
        fine=_fine(sentence),
        consecutive_to_lifetime_uuid=dps_uuid(consecutive_to) if consecutive_to is not None else None,
        active=sentence_active(sentence),
        legacy_data=_sentence_data(sentence),
        return_to_custody_date=_return_date(sentence),
        performed_by_user=performed_by(sentence),
    )


def term_body(term: SentenceTerm, sentence: str) -> LegacyPeriodLength:
    """A term of the DPS sentence `sentence`."""
    return LegacyPeriodLength(
        sentence_uuid=dps_uuid(sentence),
        period_years=term.years,
        period_months=term.months,
        period_weeks=term.weeks,
        period_days=term.days,
        legacy_data=_term_data(term),
        performed_by_user=performed_by(term),
    )


def _whole_term(sentence: Sentence, term: SentenceTerm) -> WholePeriodLength:
    return WholePeriodLength(
        period_length_id=PeriodLengthId(
            offender_booking_id=sentence.booking_id,
            sentence_sequence=sentence.sentence_seq,
            term_sequence=term.term_sequence,
        ),
        period_years=term.years,
        period_months=term.months,
        period_weeks=term.weeks,
        period_days=term.days,
        legacy_data=_term_data(term),
    )


def _appearance_data(event: CourtEvent, today: date) -> CourtAppearanceLegacyData:
    outcome = event.outcome_reason_code
    return CourtAppearanceLegacyData(
        posted_date=today.isoformat(),
        nomis_outcome_code=outcome.code if outcome is not None else None,
        outcome_description=outcome.description if outcome is not None else None,
        outcome_disposition_code=outcome.disposition_code if outcome is not None else None,
        outcome_conviction_flag=outcome.conviction if outcome is not None else None,
        next_event_date_time=event.next_event_date_time,
        appearance_time=shortest(event.event_date_time.time()),
        nomis_appearance_type_code=event.court_event_type.code,
        comments=event.comment_text,
    )


def _charge_data(charge: CourtEventCharge, today: date) -> ChargeLegacyData:
    result = charge.result_code1
    return ChargeLegacyData(
        posted_date=today.isoformat(),
        nomis_outcome_code=result.code if result is not None else None,
        outcome_description=result.description if result is not None else None,
        outcome_disposition_code=result.disposition_code if result is not None else None,
        outcome_conviction_flag=result.conviction if result is not None else None,
        offence_description=charge.offender_charge.offence.description,
    )


def _sentence_data(sentence: Sentence) -> SentenceLegacyData:
    return SentenceLegacyData(
        sentence_calc_type=sentence.calculation_type.code,
        sentence_type_desc=sentence.calculation_type.description,
        sentence_category=sentence.category.code,
        posted_date=shortest(sentence.created_date_time),
        nomis_line_reference=str(sentence.line_sequence) if sentence.line_sequence is not None else None,
        booking_id=sentence.booking_id,
    )


def _term_data(term: SentenceTerm) -> PeriodLengthLegacyData:
    kind = term.sentence_term_type
    return PeriodLengthLegacyData(
        life_sentence=term.life_sentence_flag,
        sentence_term_code=kind.code if kind is not None else None,
        sentence_term_description=kind.description if kind is not None else None,
    )


def _fine(sentence: Sentence) -> Fine | None:
    return Fine(fine_amount=sentence.fine_amount) if sentence.fine_amount is not None else None


def _return_date(sentence: Sentence) -> date | None:
    recall = sentence.recall_custody_date
    return recall.return_to_custody_date if recall is not None else None
