"""NOMIS case note to that of the case notes service: pure rules (case notes card, sections 5 and 6)."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from nomis_pipelines.contracts.case_notes import (
    CaseNoteAmendment,
    CaseNoteAuthor,
    MigrateCaseNote,
    SyncCaseNote,
)
from nomis_pipelines.contracts.nomis_prisoner import (
    CaseNote,
    CaseNoteAmendment as NomisAmendment,
    UpdateCaseNote,
    UpdateCaseNoteAmendment,
)
from nomis_pipelines.migration.declaration import Rejected

SYSTEM_GENERATED = "AUTO"
NO_PRISON = "OUT"
OUTCOME = ("CNOTE", "OUTCOME")
"""Type and sub-type of six old notes, whose type DPS does not know: the migration calls it `APP`."""
NO_DATE_TIME = "missing-date-time"
UNKNOWN_SYSTEM = "unknown-source-system"
SYSTEMS = frozenset(get_args(MigrateCaseNote.model_fields["system"].annotation))

log = logging.getLogger(__name__)


def migrate_note(note: CaseNote) -> MigrateCaseNote:
    """One case note of a prisoner's set. Raises `Rejected`, as all here that make a request to DPS."""
    return MigrateCaseNote(type=_migrated_type(note), **_common(note))


def sync_note(note: CaseNote, offender_no: str) -> SyncCaseNote:
    """The body that makes a case note of a prisoner, or changes one when it is given its `id`."""
    return SyncCaseNote(person_identifier=offender_no, type=note.case_note_type.code, **_common(note))


def update_of_sister(note: CaseNote) -> UpdateCaseNote:
    """What NOMIS's other rows of the same note are to say: every amendment, in order, also one that is there twice."""
    return UpdateCaseNote(
        text=note.case_note_text,
        amendments=[
            UpdateCaseNoteAmendment(
                text=amendment.text,
                author_username=amendment.author_username,
                created_date_time=amendment.created_date_time,
            )
            for amendment in note.amendments
        ],
    )


def grouped(notes: Sequence[CaseNote]) -> list[list[CaseNote]]:
    """Notes that are one to DPS, together: copies of merges and plain double entries (section 5, step 2).

    In order of first appearance; booking, prison, user name, origin and module are not compared.
    """
    groups: dict[object, list[CaseNote]] = {}
    for note in notes:
        groups.setdefault(_identity(note), []).append(note)
    return list(groups.values())


def same_but_copied(original: CaseNote, copy: CaseNote) -> bool:
    """Whether a merge made `copy` of `original`: unlike above the amendments are only counted (7.5, step 5)."""
    return _content(original) == _content(copy) and len(original.amendments) == len(copy.amendments)


def _identity(note: CaseNote) -> object:
    amendments = tuple(tuple(amendment.__dict__.values()) for amendment in note.amendments)
    return (*_content(note), amendments)


def _content(note: CaseNote) -> tuple[object, ...]:
    kind, sub = note.case_note_type, note.case_note_sub_type
    return (
        note.creation_date_time,
        note.case_note_text,
        note.occurrence_date_time,
        (kind.code, kind.description),
        (sub.code, sub.description),
        note.author_staff_id,
    )


def _migrated_type(note: CaseNote) -> str:
    code = note.case_note_type.code
    if (code, note.case_note_sub_type.code) != OUTCOME:
        return code
    log.warning("case note %d is %s/%s, a type that DPS does not know: it goes as APP", note.case_note_id, *OUTCOME)
    return "APP"


def _common(note: CaseNote) -> dict[str, Any]:
    return {
        "legacy_id": note.case_note_id,
        "location_id": NO_PRISON if note.prison_id is None else note.prison_id,
        "sub_type": note.case_note_sub_type.code,
        "occurrence_date_time": _needed(note, "occurrenceDateTime", note.occurrence_date_time),
        "text": note.case_note_text,
        "system_generated": note.note_source_code == SYSTEM_GENERATED,
        "author": CaseNoteAuthor(
            username=note.author_username,
            user_id=str(note.author_staff_id),
            first_name=note.author_first_name or "",
            last_name=note.author_last_name,
        ),
        # when the user wrote it; createdDatetime is the database's
        "created_date_time": _needed(note, "creationDateTime", note.creation_date_time),
        "created_by_username": note.created_username,
        "system": _system(note, note.source_system),
        "amendments": _amendments(note),
    }


def _amendments(note: CaseNote) -> list[CaseNoteAmendment]:
    """In NOMIS's order; those that come out equal are sent once."""
    amendments: list[CaseNoteAmendment] = []
    for amendment in note.amendments:
        made = _amendment(note, amendment)
        if made not in amendments:
            amendments.append(made)
    return amendments


def _amendment(note: CaseNote, amendment: NomisAmendment) -> CaseNoteAmendment:
    staff = amendment.author_staff_id
    return CaseNoteAmendment(
        text=amendment.text,
        author=CaseNoteAuthor(
            username=amendment.author_username,
            user_id="null" if staff is None else str(staff),
            first_name=amendment.author_first_name or "",
            last_name=amendment.author_last_name or "",
        ),
        created_date_time=amendment.created_date_time,
        system=_system(note, amendment.source_system),
    )


def _needed(note: CaseNote, field: str, moment: datetime | None) -> datetime:
    if moment is None:
        raise Rejected(NO_DATE_TIME, caseNoteId=note.case_note_id, field=field)
    return moment


def _system(note: CaseNote, code: str) -> Any:
    if code not in SYSTEMS:
        raise Rejected(UNKNOWN_SYSTEM, caseNoteId=note.case_note_id, code=code)
    return code
