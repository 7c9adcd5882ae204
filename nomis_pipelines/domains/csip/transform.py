"""NOMIS CSIP report to DPS record: pure rules (CSIP card, section 6). Codes are passed on as they are."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel

from nomis_pipelines.contracts import csip as dps
from nomis_pipelines.contracts.nomis_prisoner import (
    CodeDescription,
    CsipDecision,
    CsipPlan,
    CsipReport,
    CsipReview,
    CsipScreening,
)
from nomis_pipelines.domains.csip.parts import ATTENDEE, FACTOR, INTERVIEW, PLAN, REVIEW, Audited, KnownParts
from nomis_pipelines.migration.declaration import Rejected

MISSING = "missing-value"
"""Why a report is rejected that lacks what DPS cannot do without; the details name the NOMIS field and row."""
NOBODY = KnownParts()

Value = TypeVar("Value")
Actioned = tuple[datetime, str]


def actioned_by(row: Audited) -> Actioned:
    """When a row was last written, and by whom, each by itself (section 6.5)."""
    return row.last_modified_date_time or row.create_date_time, row.last_modified_by or row.created_by


def to_record(
    report: CsipReport, actioned: Actioned, dps_id: str | None = None, known: KnownParts = NOBODY
) -> dps.SyncCsip:
    """The whole record. Raises `Rejected` for a report that lacks a value that DPS needs."""
    return dps.SyncCsip(
        id=None if dps_id is None else UUID(dps_id),
        legacy_id=report.id,
        prison_number=report.offender.offender_no,
        log_code=report.log_number,
        prison_code_when_recorded=report.original_agency_id,
        active_caseload_id=report.original_agency_id,
        actioned_at=actioned[0],
        actioned_by=actioned[1],
        referral=_referral(report, known),
        plan=_plan(report, known),
    )


def _referral(report: CsipReport, known: KnownParts) -> dps.CsipReferral:
    details = report.report_details
    return dps.CsipReferral(
        incident_date=report.incident_date,
        incident_time=report.incident_time,
        incident_type_code=report.type.code,
        incident_location_code=report.location.code,
        referred_by=report.reported_by,
        referral_date=report.reported_date,
        referer_area_code=report.area_of_work.code,
        is_proactive_referral=report.pro_active_referral,
        is_staff_assaulted=report.staff_assaulted,
        assaulted_staff_name=report.staff_assaulted_name,
        incident_involvement_code=_code(details.involvement),
        description_of_concern=details.concern,
        known_reasons=details.known_reasons,
        other_information=details.other_information,
        is_safer_custody_team_informed="YES" if details.safer_custody_team_informed else "NO",
        is_referral_complete=details.referral_complete,
        completed_date=details.referral_completed_date,
        completed_by=details.referral_completed_by,
        completed_by_display_name=details.referral_completed_by_display_name,
        contributory_factors=[
            dps.ContributoryFactor(
                id=known.id_of(FACTOR, factor.id),
                legacy_id=factor.id,
                factor_type_code=factor.type.code,
                comment=factor.comment,
            )
            for factor in details.factors
        ],
        safer_custody_screening_outcome=_screening(report.id, report.safer_custody_screening),
        investigation=_investigation(report, known),
        decision_and_actions=_decision(report.decision),
    )


def _screening(report_id: int, screening: CsipScreening) -> dps.ScreeningOutcome | None:
    if screening.outcome is None:
        return None
    recorded_by = _needed(screening.recorded_by, "saferCustodyScreening.recordedBy", report_id)
    return dps.ScreeningOutcome(
        outcome_type_code=screening.outcome.code,
        date=_needed(screening.recorded_date, "saferCustodyScreening.recordedDate", report_id),
        reason_for_decision=screening.reason_for_decision,
        recorded_by=recorded_by,
        recorded_by_display_name=_named(screening.recorded_by_display_name, recorded_by),
    )


def _investigation(report: CsipReport, known: KnownParts) -> dps.CsipInvestigation | None:
    found = report.investigation
    if not found.interviews and not _says_anything(found, but=("interviews",)):
        return None
    return dps.CsipInvestigation(
        staff_involved=found.staff_involved,
        evidence_secured=found.evidence_secured,
        occurrence_reason=found.reason_occurred,
        persons_usual_behaviour=found.usual_behaviour,
        persons_trigger=found.trigger,
        protective_factors=found.protective_factors,
        interviews=[
            dps.CsipInterview(
                id=known.id_of(INTERVIEW, interview.id),
                legacy_id=interview.id,
                interviewee=interview.interviewee,
                interview_date=interview.date,
                interviewee_role_code=interview.role.code,
                interview_text=interview.comments,
            )
            for interview in found.interviews or ()
        ],
    )


def _decision(decision: CsipDecision) -> dps.DecisionAndActions | None:
    flags = decision.actions
    actions = _chosen(
        ("OPEN_CSIP_ALERT", flags.open_csip_alert),
        ("NON_ASSOCIATIONS_UPDATED", flags.non_associations_updated),
        ("OBSERVATION_BOOK", flags.observation_book),
        ("UNIT_OR_CELL_MOVE", flags.unit_or_cell_move),
        ("CSRA_OR_RSRA_REVIEW", flags.csra_or_rsra_review),
        ("SERVICE_REFERRAL", flags.service_referral),
        ("SIM_REFERRAL", flags.sim_referral),
    )
    if not actions and not _says_anything(decision, but=("actions",)):
        return None
    return dps.DecisionAndActions.model_validate(
        {
            "conclusion": decision.conclusion,
            "outcomeTypeCode": _code(decision.decision_outcome),
            "signedOffByRoleCode": _code(decision.signed_off_role),
            "date": decision.recorded_date,
            "recordedBy": decision.recorded_by,
            "recordedByDisplayName": decision.recorded_by_display_name,
            "nextSteps": decision.next_steps,
            "actionOther": decision.other_details,
            "actions": actions,
        }
    )


def _plan(report: CsipReport, known: KnownParts) -> dps.CsipPlan | None:
    texts = (report.case_manager, report.plan_reason, report.first_case_review_date)
    if all(value is None for value in texts) and not report.plans and not report.reviews:
        return None
    return dps.CsipPlan(
        case_manager=report.case_manager,
        reason_for_plan=report.plan_reason,
        first_case_review_date=report.first_case_review_date,
        identified_needs=[_need(plan, known) for plan in report.plans],
        reviews=[_review(review, known) for review in report.reviews],
    )


def _need(plan: CsipPlan, known: KnownParts) -> dps.IdentifiedNeed:
    return dps.IdentifiedNeed(
        id=known.id_of(PLAN, plan.id),
        legacy_id=plan.id,
        identified_need=plan.identified_need,
        responsible_person=_needed(plan.referred_by, "plans.referredBy", plan.id),
        created_date=plan.created_date,
        target_date=plan.target_date,
        closed_date=plan.closed_date,
        intervention=plan.intervention,
        progression=plan.progression,
    )


def _review(review: CsipReview, known: KnownParts) -> dps.CsipReview:
    actions = _chosen(
        ("RESPONSIBLE_PEOPLE_INFORMED", review.people_informed),
        ("CSIP_UPDATED", review.csip_updated),
        ("REMAIN_ON_CSIP", review.remain_on_csip),
        ("CASE_NOTE", review.case_note),
        ("CLOSE_CSIP", review.close_csip),
    )
    attendees = [
        dps.CsipAttendee(
            id=known.id_of(ATTENDEE, attendee.id),
            legacy_id=attendee.id,
            name=attendee.name,
            role=attendee.role,
            is_attended=attendee.attended,
            contribution=attendee.contribution,
        )
        for attendee in review.attendees
    ]
    return dps.CsipReview.model_validate(
        {
            "id": known.id_of(REVIEW, review.id),
            "legacyId": review.id,
            "reviewDate": review.recorded_date,
            "recordedBy": review.recorded_by,
            "recordedByDisplayName": _named(review.recorded_by_display_name, review.recorded_by),
            "nextReviewDate": review.next_review_date,
            "csipClosedDate": review.close_date,
            "summary": review.summary,
            "actions": actions,
            "attendees": attendees,
        }
    )


def _code(code: CodeDescription | None) -> str | None:
    return None if code is None else code.code


def _named(display_name: str | None, username: str) -> str:
    return username if display_name is None else display_name


def _chosen(*flags: tuple[str, bool]) -> Sequence[str]:
    return [name for name, is_set in flags if is_set]


def _says_anything(block: BaseModel, but: Sequence[str]) -> bool:
    """Whether any field has a value; an empty text is one (section 6.2)."""
    return any(value is not None for name, value in block if name not in but)


def _needed(value: Value | None, field: str, row: int) -> Value:
    if value is None:
        raise Rejected(MISSING, field=field, id=row)
    return value
