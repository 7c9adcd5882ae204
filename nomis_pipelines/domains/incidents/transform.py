"""NOMIS incident to DPS report: pure rules (incidents card, section 6). Values and their order stay as they are."""

from uuid import UUID

from nomis_pipelines.contracts.incidents import (
    Answer,
    Code,
    DescriptionParts,
    EarlierAnswer,
    EarlierQuestion,
    EarlierQuestionnaire,
    IncidentReport,
    Prisoner,
    PrisonerParty,
    Question,
    Requirement,
    Staff,
    StaffParty,
    UpsertIncidentReport,
)
from nomis_pipelines.contracts.nomis_prisoner import (
    CodeDescription,
    IncidentCase,
    IncidentCaseHistory,
    IncidentCaseHistoryQuestion,
    IncidentCaseHistoryResponse,
    IncidentCaseOffenderParty,
    IncidentCaseQuestion,
    IncidentCaseRequirement,
    IncidentCaseResponse,
    IncidentCaseStaff,
    IncidentCaseStaffParty,
)


def to_upsert(incident: IncidentCase, dps_id: str | None = None, *, migration: bool = False) -> UpsertIncidentReport:
    """The body of an upsert (section 4.1): of the report `dps_id`, or of a new one."""
    return UpsertIncidentReport(
        id=None if dps_id is None else UUID(dps_id),
        initial_migration=migration,
        incident_report=to_report(incident),
    )


def to_report(incident: IncidentCase) -> IncidentReport:
    """The whole incident. What the parts of its description are means nothing; DPS asks for them all the same."""
    return IncidentReport(
        incident_id=incident.incident_id,
        questionnaire_id=incident.questionnaire_id,
        title=incident.title,
        description=incident.description,
        type=incident.type,
        prison=_code(incident.agency),
        status=_code(incident.status),
        locked_response=incident.locked_response,
        incident_date_time=incident.incident_date_time,
        reported_date_time=incident.reported_date_time,
        follow_up_date=incident.follow_up_date,
        reporting_staff=_staff(incident.reporting_staff),
        staff_parties=[_staff_party(party) for party in incident.staff_parties],
        offender_parties=[_prisoner_party(party) for party in incident.offender_parties],
        requirements=[_requirement(requirement) for requirement in incident.requirements],
        questions=[_question(question) for question in incident.questions],
        history=[_earlier(questionnaire) for questionnaire in incident.history],
        create_date_time=incident.create_date_time,
        created_by=incident.created_by,
        last_modified_date_time=incident.last_modified_date_time,
        last_modified_by=incident.last_modified_by,
        description_parts=DescriptionParts(first="first", second=[]),
    )


def _code(code: CodeDescription) -> Code:
    return Code(code=code.code, description=code.description)


def _staff(staff: IncidentCaseStaff) -> Staff:
    return Staff(
        username=staff.username,
        staff_id=staff.staff_id,
        first_name=staff.first_name,
        last_name=staff.last_name,
    )


def _staff_party(party: IncidentCaseStaffParty) -> StaffParty:
    return StaffParty(
        staff=_staff(party.staff),
        sequence=party.sequence,
        role=_code(party.role),
        comment=party.comment,
        create_date_time=party.create_date_time,
        created_by=party.created_by,
        last_modified_date_time=party.last_modified_date_time,
        last_modified_by=party.last_modified_by,
    )


def _prisoner_party(party: IncidentCaseOffenderParty) -> PrisonerParty:
    offender = party.offender
    return PrisonerParty(
        offender=Prisoner(
            offender_no=offender.offender_no, first_name=offender.first_name, last_name=offender.last_name
        ),
        sequence=party.sequence,
        role=_code(party.role),
        outcome=_code(party.outcome) if party.outcome is not None else None,
        comment=party.comment,
        create_date_time=party.create_date_time,
        created_by=party.created_by,
        last_modified_date_time=party.last_modified_date_time,
        last_modified_by=party.last_modified_by,
    )


def _requirement(requirement: IncidentCaseRequirement) -> Requirement:
    return Requirement(
        sequence=requirement.sequence,
        recorded_date=requirement.recorded_date,
        staff=_staff(requirement.staff),
        prison_id=requirement.agency_id,
        comment=requirement.comment,
        create_date_time=requirement.create_date_time,
        created_by=requirement.created_by,
        last_modified_date_time=requirement.last_modified_date_time,
        last_modified_by=requirement.last_modified_by,
    )


def _question(question: IncidentCaseQuestion) -> Question:
    return Question(
        question_id=question.question_id,
        sequence=question.sequence,
        question=question.question,
        answers=[_answer(answer) for answer in question.answers],
        create_date_time=question.create_date_time,
        created_by=question.created_by,
    )


def _answer(answer: IncidentCaseResponse) -> Answer:
    return Answer(
        question_response_id=answer.question_response_id,
        sequence=answer.sequence,
        answer=answer.answer,
        comment=answer.comment,
        response_date=answer.response_date,
        recording_staff=_staff(answer.recording_staff),
        create_date_time=answer.create_date_time,
        created_by=answer.created_by,
        last_modified_date_time=answer.last_modified_date_time,
        last_modified_by=answer.last_modified_by,
    )


def _earlier(questionnaire: IncidentCaseHistory) -> EarlierQuestionnaire:
    return EarlierQuestionnaire(
        questionnaire_id=questionnaire.questionnaire_id,
        type=questionnaire.type,
        description=questionnaire.description,
        questions=[_earlier_question(question) for question in questionnaire.questions],
        incident_change_date_time=questionnaire.incident_change_date_time,
        incident_change_staff=_staff(questionnaire.incident_change_staff),
        create_date_time=questionnaire.create_date_time,
        created_by=questionnaire.created_by,
    )


def _earlier_question(question: IncidentCaseHistoryQuestion) -> EarlierQuestion:
    return EarlierQuestion(
        question_id=question.question_id,
        sequence=question.sequence,
        question=question.question,
        answers=[_earlier_answer(answer) for answer in question.answers],
    )


def _earlier_answer(answer: IncidentCaseHistoryResponse) -> EarlierAnswer:
    """Its date stays behind, though both sides have it: that is the contract (section 11)."""
    return EarlierAnswer(
        question_response_id=answer.question_response_id,
        response_sequence=answer.response_sequence,
        answer=answer.answer,
        comment=answer.comment,
        recording_staff=_staff(answer.recording_staff),
    )
