"""Merges of prisoners and moves of bookings (case notes card, sections 7.5 and 7.6)."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from nomis_pipelines.contracts.nomis_prisoner import CaseNote
from nomis_pipelines.domains.case_notes.clients import (
    DPS_ID_FIELD,
    DUPLICATE_FIELDS,
    NOMIS_ID_FIELD,
    CaseNoteCalls,
)
from nomis_pipelines.domains.case_notes.notes import NOMIS_CREATED
from nomis_pipelines.domains.case_notes.transform import same_but_copied
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.http import Conflict
from nomis_pipelines.synchronisation import HandlerError, SyncContext
from nomis_pipelines.synchronisation.failures import told

COPIED_BY_MERGE = "MERGE"
FRESH = timedelta(minutes=30)

Json = dict[str, Any]
Properties = Mapping[str, object]


class PrisonerWork:
    """Merge and move. Whatever fails is told of and raised; both are safe to repeat."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = CaseNoteCalls(context.clients)

    async def merge(self, retained: str, removed: str, booking_id: int, occurred_at: datetime) -> None:
        """Section 7.5: DPS is not called, and of the copies that NOMIS used to make only mappings come."""
        base = {"offenderNo": retained, "removedOffenderNo": removed, "bookingId": booking_id}
        with self._failure_told("casenotes-prisoner-merge", base):
            notes = await self._calls.of_prisoner(retained)
            copies = _fresh_copies(notes, occurred_at)
            found = await self._calls.some_mappings([note.case_note_id for note in notes])
            mapped = {mapping.nomis_case_note_id: mapping.dps_case_note_id for mapping in found}
            if copies and len(mapped) == len(notes):
                self._tell("casenotes-prisoner-merge-skipped", base)
                return
            originals = [(copy, _original(copy, notes)) for copy in copies]
            await self._calls.merge_mappings(removed, retained)
            if copies:
                await self._map_copies(base, originals, mapped)
        self._tell("casenotes-prisoner-merge", {**base, "freshlyMergedNomisCaseNotesCount": len(copies)})

    async def move(self, booking_id: int, source: str, target: str) -> None:
        """Section 7.6: every DPS note with a mapping on the booking goes with it, also one that both share."""
        base = {"bookingId": booking_id, "movedToNomsNumber": target, "movedFromNomsNumber": source}
        with self._failure_told("casenotes-booking-moved", base):
            mappings = await self._calls.move_mappings(booking_id, target)
            dps_ids = list(dict.fromkeys(mapping.dps_case_note_id for mapping in mappings))
            await self._calls.move(source, target, dps_ids)
        self._tell("casenotes-booking-moved", {**base, "count": len(dps_ids)})

    async def _map_copies(
        self, base: Properties, originals: Sequence[tuple[CaseNote, CaseNote]], mapped: Mapping[int, str]
    ) -> None:
        """Section 7.5, step 7: each copy stands for the same DPS note as its original."""
        pairs = [_pair_of_copy(base, copy, original, mapped) for copy, original in originals]
        dropped = [str(pair[NOMIS_ID_FIELD]) for pair in pairs if pair[NOMIS_ID_FIELD] in mapped]
        if dropped:
            existing = {**base, "mappingsCount": len(dropped), "mappings": ", ".join(dropped)}
            self._tell("casenotes-prisoner-merge-existing-mappings", existing)
        try:
            await self._calls.post_mappings([pair for pair in pairs if pair[NOMIS_ID_FIELD] not in mapped])
        except Conflict as conflict:
            surplus = duplicate_properties(conflict.duplicate, conflict.existing, *DUPLICATE_FIELDS)
            self._tell("nomis-migration-casenotes-duplicate", {"offenderNo": base["offenderNo"], **surplus})

    @contextmanager
    def _failure_told(self, name: str, base: Properties) -> Generator[None]:
        try:
            yield
        except Exception as error:
            self._tell(f"{name}-failed", {**base, "error": told(error)})
            raise

    def _tell(self, name: str, properties: Properties) -> None:
        self._context.telemetry.event(name, properties)


def _fresh_copies(notes: Sequence[CaseNote], occurred_at: datetime) -> list[CaseNote]:
    """Those that the merge has just made.

    NOMIS's clock is London's and the event's is UTC, so in summer the window is an hour longer: harmless, because what
    is mapped is left out.
    """
    since = occurred_at.astimezone(UTC).replace(tzinfo=None) - FRESH
    return [note for note in notes if note.audit_module_name == COPIED_BY_MERGE and note.created_datetime > since]


def _original(copy: CaseNote, notes: Sequence[CaseNote]) -> CaseNote:
    for note in notes:
        elsewhere = note.booking_id != copy.booking_id and note.audit_module_name != COPIED_BY_MERGE
        if elsewhere and same_but_copied(note, copy):
            return note
    raise HandlerError(f"case note {copy.case_note_id}, copied by the merge, has no original on another booking")


def _pair_of_copy(base: Properties, copy: CaseNote, original: CaseNote, mapped: Mapping[int, str]) -> Json:
    if original.case_note_id not in mapped:
        raise HandlerError(
            f"case note {original.case_note_id} has no mapping, so its copy {copy.case_note_id} has no note in DPS"
        )
    return {
        DPS_ID_FIELD: mapped[original.case_note_id],
        NOMIS_ID_FIELD: copy.case_note_id,
        "offenderNo": base["offenderNo"],
        "nomisBookingId": base["bookingId"],
        "mappingType": NOMIS_CREATED,
    }
