"""Case notes that come, change and go in NOMIS, with the events by which NOMIS would tell of them."""

from collections.abc import Callable, Mapping
from typing import Any

from nomis_pipelines.sandbox.control import SandboxAdmin

Event = dict[str, Any]
Publish = Callable[..., Event]


class CaseNoteEvents:
    """Changes case notes and tells of it. `publish` sends one event of NOMIS, which is given back."""

    def __init__(self, admin: SandboxAdmin, publish: Publish) -> None:
        self._admin = admin
        self._publish = publish

    def inserted(self, offender_no: str, text: str) -> Event:
        """Make a case note on a prisoner's latest booking."""
        note = self._admin.add_case_note(offender_no, caseNoteText=text)
        return self._tell("INSERTED", note, offenderIdDisplay=offender_no)

    def updated(self, note_id: int, text: str) -> Event:
        """Change the text of a case note."""
        self._admin.change_case_note(note_id, caseNoteText=text)
        note = self._admin.case_note(note_id)
        return self._tell("UPDATED", note, offenderIdDisplay=note["offenderNo"])

    def deleted(self, note_id: int) -> Event:
        """Delete a case note. The event of a deletion tells no prisoner."""
        note = self._admin.case_note(note_id)
        self._admin.remove_case_note(note_id)
        return self._tell("DELETED", note)

    def told(self, what: str, note_id: int) -> Event:
        """Tell of a row as it is, once more or for a change that is made already."""
        note = self._admin.case_note(note_id)
        return self._tell(what, note, offenderIdDisplay=note["offenderNo"])

    def _tell(self, what: str, note: Mapping[str, Any], **prisoner: object) -> Event:
        return self._publish(
            f"OFFENDER_CASE_NOTES-{what}",
            caseNoteId=note["caseNoteId"],
            bookingId=note["bookingId"],
            **prisoner,
            caseNoteType=note["caseNoteType"]["code"],
            caseNoteSubType=note["caseNoteSubType"]["code"],
            recordDeleted=what == "DELETED",
            auditModuleName=note["auditModuleName"],
        )
