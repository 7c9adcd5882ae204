"""Case notes of NOMIS as they are now: the generated ones, with all that has been done to them."""

from nomis_pipelines.sandbox.data.case_notes import KINDS, SCREEN, CaseNoteData, Note, coded, copied, written_by
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.nomis_alerts import NomisAlerts
from nomis_pipelines.sandbox.stores.overlay import Overlay

FIRST_NEW = 2_000_000_000
"""Ids of what is made in the sandbox's life begin here, above all generated ones."""
FROM_DPS = "DPS_SYNCHRONISATION_CASENOTES"


class NomisCaseNotes:
    """Generated notes are never stored; changed ones are, as the fields that differ. `prisoners` knows the bookings."""

    KIND = b"@"

    def __init__(self, world: World, prisoners: NomisAlerts, journal: Journal) -> None:
        self.data = CaseNoteData(world)
        self._prisoners = prisoners
        self._overlay: Overlay[int] = Overlay(self.KIND, journal, lambda parts: int(parts[0]))
        self.replay = self._overlay.replay

    def of_prisoner(self, number: str) -> list[Note] | None:
        """The notes of every booking of a prisoner, by id; None for an unknown prisoner."""
        bookings = self._prisoners.bookings(number)
        if not bookings and self._prisoners.data.find(number) is None:
            return None
        generated = {note["caseNoteId"]: note for booking_id in bookings for note in self.data.notes(booking_id)}
        added = [note_id for note_id, note in self._overlay.added.items() if note["bookingId"] in bookings]
        notes = (self._overlay.current(note_id, generated.get) for note_id in (*generated, *added))
        return [note for note in notes if note is not None]

    def get(self, note_id: int) -> Note | None:
        """One note as it is now; None when there is none."""
        return self._overlay.current(note_id, self.data.note)

    def owner(self, note_id: int) -> str | None:
        """Whose a note is."""
        note = self.get(note_id)
        return None if note is None else self._prisoners.owner(note["bookingId"])

    def add(self, number: str, fields: Note) -> Note | None:
        """Make a note now, on the prisoner's latest booking unless `fields` name another; None when there is none."""
        bookings = self._prisoners.bookings(number)
        if not bookings:
            return None
        now = london_now().isoformat(timespec="seconds")
        note: Note = {
            "caseNoteId": FIRST_NEW + len(self._overlay.added),
            "bookingId": bookings[-1],
            **coded(KINDS[0]),
            "noteSourceCode": "INST",
            **dict.fromkeys(("occurrenceDateTime", "creationDateTime", "createdDatetime"), now),
            **written_by(7),
            "prisonId": "MDI",
            "caseNoteText": "Seen at reception",
            "amendments": [],
            "auditModuleName": SCREEN,
            "sourceSystem": "NOMIS",
        }
        self._overlay.add(note["caseNoteId"], note | fields)
        return self.get(note["caseNoteId"])

    def copy(self, note_id: int, booking_id: int) -> Note | None:
        """Copy a note to another booking, as merges used to; None when there is no such note."""
        note = self.get(note_id)
        if note is None:
            return None
        copy_id = FIRST_NEW + len(self._overlay.added)
        self._overlay.add(copy_id, copied(note, copy_id, booking_id, london_now()))
        return self.get(copy_id)

    def change(self, note_id: int, fields: Note) -> Note | None:
        """Change a note; returns it as it is then, None when there is none."""
        if self.get(note_id) is None:
            return None
        self._overlay.change(note_id, {"auditModuleName": SCREEN} | fields)
        return self.get(note_id)

    def remove(self, note_id: int) -> bool:
        """Delete a note; False when there is none."""
        if self.get(note_id) is None:
            return False
        self._overlay.remove(note_id)
        return True

    def clear(self) -> None:
        """Back to the generated world."""
        self._overlay.clear()
