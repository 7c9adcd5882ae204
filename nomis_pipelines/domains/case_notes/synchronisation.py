"""The events of case notes (case notes card, section 7).

Events of one note go one after another; a delete tells nothing but the note. Merges and moves have the prisoner's lane:
they only change mappings, and two writers that meet there are told apart by the mapping service (section 9). Between
two consumers the claim of the ledger keeps creates apart.
"""

from pydantic import AwareDatetime

from nomis_pipelines.contracts.nomis_mapping_service import CaseNoteMapping
from nomis_pipelines.domains.case_notes.notes import QUEUE, RETRY, CaseNoteEvent, CaseNoteWork
from nomis_pipelines.domains.case_notes.prisoners import PrisonerWork
from nomis_pipelines.synchronisation import Delivery, EventBody, SyncContext, Synchronisation, on, on_internal


class MergedPrisoner(EventBody):
    """What of a merge is told: the number that stays, the one that is gone, the booking that changed hands."""

    noms_number: str
    removed_noms_number: str
    booking_id: int


class MergedEvent(EventBody):
    """Two prisoner numbers have become one."""

    occurred_at: AwareDatetime
    additional_information: MergedPrisoner


class MovedBooking(EventBody):
    """From whom to whom a booking was moved."""

    moved_to_noms_number: str
    moved_from_noms_number: str
    booking_id: int


class MovedEvent(EventBody):
    """A booking was moved to another prisoner."""

    additional_information: MovedBooking


class CaseNotesSynchronisation(Synchronisation):
    """NOMIS's and the prisoners' events that concern case notes, and our own mapping retries."""

    queue = QUEUE
    switch_domain = "casenotes"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._notes = CaseNoteWork(context)
        self._prisoners = PrisonerWork(context)

    @on("OFFENDER_CASE_NOTES-INSERTED", key=lambda event: event.case_note_id)
    async def inserted(self, event: CaseNoteEvent) -> None:
        """Section 7.2."""
        await self._notes.insert(event)

    @on("OFFENDER_CASE_NOTES-UPDATED", key=lambda event: event.case_note_id)
    async def updated(self, event: CaseNoteEvent) -> None:
        """Section 7.3."""
        await self._notes.update(event)

    @on("OFFENDER_CASE_NOTES-DELETED", key=lambda event: event.case_note_id)
    async def deleted(self, event: CaseNoteEvent) -> None:
        """Section 7.4."""
        await self._notes.delete(event)

    @on("prison-offender-events.prisoner.merged", key=lambda event: event.additional_information.noms_number)
    async def merged(self, event: MergedEvent) -> None:
        """Section 7.5."""
        merge = event.additional_information
        await self._prisoners.merge(merge.noms_number, merge.removed_noms_number, merge.booking_id, event.occurred_at)

    @on(
        "prison-offender-events.prisoner.booking.moved",
        key=lambda event: event.additional_information.moved_from_noms_number,
    )
    async def moved(self, event: MovedEvent) -> None:
        """Section 7.6."""
        move = event.additional_information
        await self._prisoners.move(move.booking_id, move.moved_from_noms_number, move.moved_to_noms_number)

    @on_internal(RETRY, key=lambda mapping: mapping.nomis_case_note_id)
    async def retry_mapping(self, mapping: CaseNoteMapping, delivery: Delivery) -> None:
        """Section 7.7."""
        await self._notes.retry_mapping(mapping, delivery.telemetry_attributes)
