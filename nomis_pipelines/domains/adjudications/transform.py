"""NOMIS charge to the adjudications service's: pure rules (adjudications card, section 6)."""

from datetime import date, time

from nomis_pipelines.contracts.adjudications import (
    AdjudicationMigrateDto,
    DisIssued,
    HearingType,
    MigrateHearing,
    MigrateHearingResult,
    MigrateOffence,
    MigratePrisoner,
    MigratePunishment,
    ReportingOfficer,
)
from nomis_pipelines.contracts.nomis_prisoner import AdjudicationCharge, Hearing, HearingAward, HearingResult
from nomis_pipelines.domains.adjudications.incident import damages_of, evidence_of, witnesses_of
from nomis_pipelines.domains.adjudications.punishments import days_of
from nomis_pipelines.migration.declaration import Rejected

MERGE_USER = "SYS"
"""Whom a merge of prisoners in NOMIS leaves as the maker of an award."""
HEARING_TYPES: dict[str, HearingType] = {
    "GOV": "GOV",
    "GOV_ADULT": "GOV_ADULT",
    "GOV_YOI": "GOV_YOI",
    "INAD_ADULT": "INAD_ADULT",
    "INAD_YOI": "INAD_YOI",
}


def transform(charge: AdjudicationCharge, today: date) -> AdjudicationMigrateDto:
    """The whole request. Raises `Rejected` for what DPS cannot take, with the ids that lead to it."""
    incident, number = charge.incident, charge.adjudication_number
    return AdjudicationMigrateDto(
        agency_incident_id=incident.adjudication_incident_id,
        oic_incident_id=number,
        offence_sequence=charge.charge.charge_sequence,
        booking_id=charge.booking_id,
        agency_id=incident.prison.code,
        incident_date_time=moment(incident.incident_date, incident.incident_time),
        reported_date_time=moment(incident.reported_date, incident.reported_time),
        location_id=incident.internal_location.location_id,
        statement=incident.details or "",
        reporting_officer=ReportingOfficer(username=incident.reporting_staff.username),
        created_by_username=incident.created_by_username,
        prisoner=MigratePrisoner(
            prisoner_number=charge.offender_no,
            gender=charge.gender.code,
            current_agency_id=charge.current_prison.code if charge.current_prison is not None else None,
        ),
        offence=MigrateOffence(
            offence_code=charge.charge.offence.code, offence_description=charge.charge.offence.description
        ),
        witnesses=list(witnesses_of(incident, number, today)),
        damages=damages_of(incident, number),
        evidence=evidence_of(charge),
        punishments=[
            punishment_of(award, result, number)
            for hearing in charge.hearings
            for result in hearing.hearing_results
            for award in result.result_awards
        ],
        hearings=[hearing_of(hearing, number) for hearing in charge.hearings],
        dis_issued=[
            DisIssued(
                issuing_officer=notice.notified_staff.username,
                date_time_of_issue=moment(notice.delivery_date, notice.delivery_time),
            )
            for hearing in charge.hearings
            for notice in hearing.notifications
        ],
        nomis_split_record=charge.has_multiple_charges,
    )


def moment(day: date, at: str) -> str:
    """ISO with seconds always written, and a fraction only where there is one."""
    return f"{day.isoformat()}T{time.fromisoformat(at).isoformat()}"


def hearing_of(hearing: Hearing, number: int) -> MigrateHearing:
    """One hearing; of its results only the first. Raises `Rejected` for one without date, time or room."""
    ids = {"adjudicationNumber": number, "hearingId": hearing.hearing_id}
    if hearing.hearing_date is None or hearing.hearing_time is None:
        raise Rejected("no-hearing-date-time", **ids)
    if hearing.internal_location is None:
        raise Rejected("no-hearing-location", **ids)
    result = hearing.hearing_results[0] if hearing.hearing_results else None
    return MigrateHearing(
        oic_hearing_id=hearing.hearing_id,
        # without a type it becomes GOV too: DPS does not take null
        oic_hearing_type=HEARING_TYPES.get(hearing.type.code, "GOV") if hearing.type is not None else "GOV",
        hearing_date_time=moment(hearing.hearing_date, hearing.hearing_time),
        location_id=hearing.internal_location.location_id,
        adjudicator=hearing.hearing_staff.username if hearing.hearing_staff is not None else None,
        comment_text=hearing.comment,
        representative=hearing.representative_text,
        hearing_result=result_of(result, ids) if result is not None else None,
    )


def result_of(result: HearingResult, ids: dict[str, int]) -> MigrateHearingResult:
    """Plea and finding. Raises `Rejected` when either is missing."""
    if result.plea_finding_type is None:
        raise Rejected("no-plea", **ids)
    if result.finding_type is None:
        raise Rejected("no-finding", **ids)
    return MigrateHearingResult(
        plea=result.plea_finding_type.code,
        finding=result.finding_type.code,
        created_date_time=result.created_date_time,
        created_by=result.created_by_username,
    )


def punishment_of(award: HearingAward, result: HearingResult, number: int) -> MigratePunishment:
    """One award. Raises `Rejected` for one without type or status."""
    ids = {"adjudicationNumber": number, "sanctionSequence": award.sequence}
    if award.sanction_type is None:
        raise Rejected("no-sanction-type", **ids)
    if award.sanction_status is None:
        raise Rejected("no-sanction-status", **ids)
    other, made_by = award.consecutive_award, award.created_by_username
    return MigratePunishment(
        sanction_code=award.sanction_type.code,
        sanction_status=award.sanction_status.code,
        sanction_seq=award.sequence,
        effective_date=award.effective_date,
        status_date=award.status_date,
        comment=award.comment,
        compensation_amount=award.compensation_amount,
        consecutive_charge_number=f"{other.adjudication_number}-{other.charge_sequence}" if other is not None else None,
        days=days_of(award),
        created_by=result.created_by_username if made_by == MERGE_USER else made_by,
        created_date_time=award.created_date_time,
    )
