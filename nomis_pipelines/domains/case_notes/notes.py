"""What events do about single case notes (case notes card, sections 7.1 to 7.4 and 7.7)."""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from nomis_pipelines.contracts.case_notes import SyncCaseNote
from nomis_pipelines.contracts.nomis_mapping_service import CaseNoteMapping
from nomis_pipelines.contracts.nomis_prisoner import CaseNote
from nomis_pipelines.domains.case_notes.clients import DPS_ID_FIELD, NOMIS_ID_FIELD, CaseNoteCalls, ledger_key
from nomis_pipelines.domains.case_notes.migration import NO_BOOKING, UNKNOWN_ERROR
from nomis_pipelines.domains.case_notes.transform import sync_note, update_of_sister
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.ledger import State
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.observability import format_value
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Created,
    Duplicate,
    EventBody,
    HandlerError,
    InDoubt,
    Redeliver,
    SyncContext,
    complete_mapping,
    create_once,
    require_settled,
)
from nomis_pipelines.synchronisation.failures import told

QUEUE = "eventcasenotes"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
FROM_DPS = "DPS_SYNCHRONISATION"
DPS_CREATED = "DPS_CREATED"
NOMIS_CREATED = "NOMIS_CREATED"

Told = dict[str, str]

log = logging.getLogger(__name__)


class UnusableNote(HandlerError):
    """A note that cannot be sent to DPS as it is."""


class CaseNoteEvent(EventBody):
    """Of one case note. Numbers may come as text; a delete tells no prisoner."""

    case_note_id: int
    offender_id_display: str | None = None
    booking_id: int | None = None
    audit_module_name: str | None = None

    @property
    def base(self) -> Told:
        """What all telemetry of it says; what is missing is the text `null` (section 7.1)."""
        return {
            NOMIS_ID_FIELD: format_value(self.case_note_id),
            "offenderNo": format_value(self.offender_id_display),
            "bookingId": format_value(self.booking_id),
        }


class CaseNoteWork:
    """Insert, update, delete and the retry of a mapping, for whatever asks for them."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = CaseNoteCalls(context.clients)

    async def insert(self, event: CaseNoteEvent) -> None:
        """Section 7.2."""
        with self._failure_told("created", event.base):
            note = await self._calls.read(event.case_note_id)
            from_dps = _from_dps(note)
            if from_dps != (event.audit_module_name == FROM_DPS):
                log.warning(
                    "case note %d: event and row do not agree on whether DPS made it; the row counts",
                    event.case_note_id,
                )
            if from_dps:
                self._tell("casenotes-synchronisation-created-skipped", event.base)
            elif note.audit_module_name is None and await self._made_by_dps(event.case_note_id):
                self._tell("casenotes-synchronisation-created-skipped-null", event.base)
            else:
                await self._create(event, note)

    async def update(self, event: CaseNoteEvent) -> None:
        """Section 7.3. Raises `HandlerError` for a note that has no mapping; what NOMIS answers is not told of."""
        note = await self._calls.read(event.case_note_id)
        if _from_dps(note):
            self._tell("casenotes-synchronisation-updated-skipped", event.base)
            return
        with self._failure_told("updated", event.base):
            mapping = await self._calls.find_mapping(event.case_note_id)
            if mapping is None:
                self._tell("casenotes-synchronisation-updated-mapping-failed", event.base)
                raise HandlerError(f"case note {event.case_note_id} has no mapping to be updated by")
            dps_id = mapping.dps_case_note_id
            await self._calls.update(dps_id, _body(event, note))
            await self._update_sisters(event, note, dps_id)
        self._tell("casenotes-synchronisation-updated-success", {**event.base, DPS_ID_FIELD: dps_id})

    async def delete(self, event: CaseNoteEvent) -> None:
        """Section 7.4: what fails is told of and not raised, there are about two a day.

        Raises `HandlerError` only while a create of the note is not settled, which nobody could be told of later:
        passed over then, the note would stay in DPS for ever.
        """
        if not await self._delete(event.case_note_id, event.base):
            await require_settled(self._context, ledger_key(event.case_note_id))
            self._tell("casenotes-deleted-synchronisation-skipped", event.base)

    async def delete_by_hand(self, note_id: int) -> None:
        """Section 8: as if an event had come that tells the note alone. Nothing is raised."""
        base = CaseNoteEvent(case_note_id=note_id).base
        if not await self._delete(note_id, base):
            self._tell("casenotes-deleted-synchronisation-skipped", base)

    async def retry_mapping(self, mapping: CaseNoteMapping, attributes: Mapping[str, str]) -> None:
        """Section 7.7: only the pair is posted; another one in its place counts as success."""
        await complete_mapping(
            self._context,
            ledger_key(mapping.nomis_case_note_id),
            mapping.model_dump(by_alias=True, exclude_none=True),
            post_mapping=self._calls.post_mapping,
            dps_field=DPS_ID_FIELD,
        )
        self._tell("casenotes-mapping-created-synchronisation-success", attributes)

    async def _made_by_dps(self, note_id: int) -> bool:
        """Of a row without a module name: NOMIS may not have written it yet."""
        mapping = await self._calls.find_mapping(note_id)
        return mapping is not None and mapping.mapping_type == DPS_CREATED

    async def _create(self, event: CaseNoteEvent, note: CaseNote) -> None:
        body = _body(event, note)
        result = await self._made_by_migration(event) or await self._create_once(event, body)
        if isinstance(result, AlreadyMapped):
            # another delivery, or the migration, has made it: what we read is at least as new
            dps_id = result.mapping.dps_case_note_id
            await self._calls.update(dps_id, body)
            self._tell("casenotes-synchronisation-created-success", {**event.base, DPS_ID_FIELD: dps_id})
            return
        properties = {**event.base, DPS_ID_FIELD: result.dps_id}
        if isinstance(result, Duplicate):
            fields = (DPS_ID_FIELD, NOMIS_ID_FIELD)
            pairs = duplicate_properties(result.duplicate, result.existing, *fields)
            self._tell("from-nomis-synch-casenote-duplicate", pairs)
        else:
            if result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self._calls.update(result.dps_id, body)
            if result.mapping_failed:
                await self._context.queues.send_internal(QUEUE, RETRY, result.mapping, properties)
                properties["mapping"] = "initial-failure"
        self._tell("casenotes-synchronisation-created-success", properties)

    async def _made_by_migration(self, event: CaseNoteEvent) -> AlreadyMapped[CaseNoteMapping] | None:
        """The mapping of a note that was in the set of a prisoner migrated from here, whose event came too late.

        An insert is not looked up otherwise (7.2): asked here, because each would be in DPS twice. Raises
        `HandlerError` while the set is not settled.
        """
        key = ledger_key(str(event.offender_id_display))
        await require_settled(self._context, key)
        record = await self._context.ledger.record(key)
        if record is None or record.state not in (State.MAPPED, State.DUPLICATE):
            return None
        mapping = await self._calls.find_mapping(event.case_note_id)
        return None if mapping is None else AlreadyMapped(mapping=mapping)

    async def _create_once(
        self, event: CaseNoteEvent, body: SyncCaseNote
    ) -> Created | Duplicate | AlreadyMapped[CaseNoteMapping]:
        def mapping_of(dps_id: str) -> dict[str, Any]:
            return {
                DPS_ID_FIELD: dps_id,
                NOMIS_ID_FIELD: event.case_note_id,
                "offenderNo": event.offender_id_display,
                "nomisBookingId": NO_BOOKING if event.booking_id is None else event.booking_id,
                "mappingType": NOMIS_CREATED,
            }

        return await create_once(
            self._context,
            Create(
                key=ledger_key(event.case_note_id),
                client=self._calls.dps,
                find_mapping=lambda: self._calls.find_mapping(event.case_note_id),
                write=lambda: self._calls.create(body),
                dps_id_of=str,
                mapping_of=mapping_of,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
                lookup=lambda: self._look_up(event),
            ),
        )

    async def _look_up(self, event: CaseNoteEvent) -> str:
        """The note of an insert whose answer was lost. Raises `InDoubt` for none: DPS may list it later."""
        for note in await self._calls.known(str(event.offender_id_display)):
            if note.legacy_id == event.case_note_id:
                return note.case_note_id
        raise InDoubt(ledger_key(event.case_note_id))

    async def _update_sisters(self, event: CaseNoteEvent, note: CaseNote, dps_id: str) -> None:
        """Section 7.3, step 5: the other rows in NOMIS of the same note are to say the same."""
        for sister in await self._sisters(event.case_note_id, dps_id):
            await self._calls.update_in_nomis(sister.nomis_case_note_id, update_of_sister(note))
            self._tell(
                "casenotes-synchronisation-updated-related-success",
                {
                    NOMIS_ID_FIELD: sister.nomis_case_note_id,
                    "offenderNo": event.base["offenderNo"],
                    "bookingId": sister.nomis_booking_id,
                    DPS_ID_FIELD: dps_id,
                },
            )

    async def _delete(self, note_id: int, base: Told) -> bool:
        """Whether there was a mapping to delete by, or it could not be found out."""
        try:
            mapping = await self._calls.find_mapping(note_id)
            if mapping is None:
                return False
            dps_id = mapping.dps_case_note_id
            for sister in await self._sisters(note_id, dps_id):
                await self._calls.delete_in_nomis(sister.nomis_case_note_id)
                self._tell(
                    "casenotes-synchronisation-deleted-related-success",
                    {
                        DPS_ID_FIELD: dps_id,
                        NOMIS_ID_FIELD: sister.nomis_case_note_id,
                        "bookingId": mapping.nomis_booking_id,
                    },
                )
            await self._calls.delete(dps_id)
            await self._calls.delete_mappings(dps_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, the message shall be consumed (section 7.4)
            self._tell("casenotes-synchronisation-deleted-failed", {**base, "error": told(error)})
            log.warning("case note %d is gone from NOMIS and must be deleted by hand: %s", note_id, told(error))
        else:
            self._tell("casenotes-synchronisation-deleted-success", {**base, DPS_ID_FIELD: dps_id})
        return True

    async def _sisters(self, note_id: int, dps_id: str) -> list[CaseNoteMapping]:
        """The other NOMIS rows that the DPS note stands for."""
        return [each for each in await self._calls.mappings_of_dps(dps_id) if each.nomis_case_note_id != note_id]

    @contextmanager
    def _failure_told(self, what: str, base: Told) -> Generator[None]:
        try:
            yield
        except Redeliver:
            raise  # another process is at it: nothing has failed
        except Exception as error:
            text = UNKNOWN_ERROR if isinstance(error, UnusableNote) else told(error)
            self._tell(f"casenotes-synchronisation-{what}-failed", {**base, "error": text})
            raise

    def _tell(self, name: str, properties: Mapping[str, object]) -> None:
        self._context.telemetry.event(name, properties)


def _from_dps(note: CaseNote) -> bool:
    return (note.audit_module_name or "").startswith(FROM_DPS)


def _body(event: CaseNoteEvent, note: CaseNote) -> SyncCaseNote:
    if event.offender_id_display is None:
        raise HandlerError(f"the event of case note {event.case_note_id} names no prisoner")
    try:
        return sync_note(note, event.offender_id_display)
    except Rejected as rejection:
        what = rejection.details.get("field", rejection.details.get("code"))
        raise UnusableNote(f"case note {event.case_note_id}: {rejection.reason} {what}") from None
