"""What is done about the events of CSIP: whatever changed, the whole report is sent (CSIP card, sections 7.2 to 7.7).

An update with parts that DPS has not got makes those there, and the service does not say that it would know them again:
so the ledger keeps one record a report of the parts that were added last, claimed as a create is. An update without
such parts may be repeated, and needs no claim.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from nomis_pipelines.contracts.csip import SyncCsip, SyncedCsip
from nomis_pipelines.contracts.nomis_prisoner import CsipReport
from nomis_pipelines.domains.csip.clients import CsipCalls
from nomis_pipelines.domains.csip.parts import (
    DOMAIN,
    DPS_CREATED,
    DPS_ID_FIELD,
    NOMIS_CREATED,
    PARTS_ONLY,
    KnownParts,
    Part,
    PartsKey,
    duplicate_properties,
    pairs_of,
    report_key,
)
from nomis_pipelines.domains.csip.transform import Actioned, actioned_by, to_record
from nomis_pipelines.http import Conflict, ServiceError
from nomis_pipelines.ledger import LedgerError, LedgerUnavailable, RecordKey, State
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Created,
    Duplicate,
    HandlerError,
    SyncContext,
    complete_mapping,
    create_once,
    require_settled,
    settle_replaced,
)
from nomis_pipelines.synchronisation.failures import shown_text

QUEUE = "eventcsip"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
RETRY_PARTS = "RETRY_SYNCHRONISATION_CHILD_MAPPING"
INITIAL_FAILURE = {"mapping": "initial-failure"}

Json = dict[str, Any]
Told = Mapping[str, object]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """A report as NOMIS has it now, the DPS record that it is to become, and when and by whom it was written."""

    report: CsipReport
    dps_id: str
    actioned: Actioned

    def body(self, known: KnownParts) -> SyncCsip:
        """What to send, with the ids of the parts that are mapped."""
        return _record(self.report, self.actioned, self.dps_id, known)


class CsipWork:
    """Insert, update, delete, move and the retries of mappings, for whatever asks for them."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = CsipCalls(context.clients)

    async def insert(self, report_id: int, base: Told) -> None:
        """Section 7.2 from step 2 on. NOMIS is read before the mapping is looked for."""
        report = await self._calls.read(report_id)
        mapped = await self._calls.find_mapping(report_id)
        if mapped is None:
            await self._create(report, base)
        else:
            self._tell("csip-synchronisation-created-ignored", {**base, "dpsCSIPId": mapped})

    async def was_made_in_dps(self, factor_id: int, base: Told) -> bool:
        """Section 7.3, step 2: whether a factor without a module name is one that DPS made itself; told if so."""
        pair = await self._calls.find_factor(factor_id)
        if pair is None or pair.mapping_type != DPS_CREATED:
            return False
        told = {**base, "dpsCSIPFactorId": pair.dps_id, "dpsCSIPReportId": pair.dps_csip_report_id}
        self._tell("csip-synchronisation-factor-upserted-skipped-null", told)
        return True

    async def update(self, report_id: int, base: Told, part: Part | None = None, part_id: int | None = None) -> None:
        """Section 7.3 from step 3 on, of the report or of one part of it.

        Raises `HandlerError` for a part that NOMIS has not got, and for a report without a mapping: the insert of the
        report is still to come.
        """
        report = await self._calls.read(report_id)
        rows = [report] if part is None else [row for row in part.rows(report) if row.id == part_id]
        if not rows:
            self._tell("csip-synchronisation-updated-failed", base)
            raise HandlerError(f"CSIP report {report_id} has no {_named(part)} {part_id} in NOMIS")
        dps_id = await self._calls.find_mapping(report_id)
        if dps_id is None:
            self._tell("csip-synchronisation-updated-failed", base)
            raise HandlerError(f"CSIP report {report_id} has no mapping: it waits for the insert of the report")
        told = {**base, "dpsCSIPId": dps_id}
        added = await self._send(Change(report, dps_id, actioned_by(rows[0])), told)
        # said of every update that added parts, whether or not their mappings were recorded (section 11)
        self._tell("csip-synchronisation-updated-success", {**told, **(INITIAL_FAILURE if added else {})})

    async def delete(self, report_id: int, deleted_at: datetime, base: Told) -> None:
        """Section 7.4. Deletes that began in DPS are made too.

        Raises `HandlerError` while a create is not settled: ignored then, the record would stay in DPS for ever.
        """
        dps_id = await self._calls.find_mapping(report_id)
        if dps_id is None:
            await require_settled(self._context, report_key(report_id))
            self._tell("csip-synchronisation-deleted-ignored", base)
            return
        await self._calls.delete(dps_id, deleted_at)
        try:
            await self._calls.delete_mapping(dps_id)
        except ServiceError as error:
            self._tell("csip-mapping-deleted-failed", {"dpsCSIPId": dps_id})
            log.warning("the mappings of CSIP record %s must be deleted by hand, DPS has it no more: %s", dps_id, error)
        # its parts are gone with it, whatever was still to be done about them
        await settle_replaced(self._context, DOMAIN, {str(PartsKey(report_id)): ""})
        self._tell("csip-synchronisation-deleted-success", {**base, "dpsCSIPId": dps_id})

    async def move(self, booking_id: int, source: str, target: str) -> None:
        """Section 7.7."""
        told = {"bookingId": booking_id, "movedToNomsNumber": target, "movedFromNomsNumber": source}
        try:
            report_ids = await self._calls.of_booking(booking_id)
            if report_ids:
                dps_ids = dict.fromkeys(await self._calls.dps_ids_of(report_ids))
                await self._calls.move(source, target, list(dps_ids))
        except Exception as error:
            self._tell("csip-booking-moved-failed", {**told, "error": _text_of(error)})
            raise
        if report_ids:
            self._tell("csip-booking-moved-success", {**told, "count": len(report_ids)})
        else:
            self._tell("csip-booking-moved-ignored", told)

    async def retry_mapping(self, report_id: int, mapping: Json, attributes: Mapping[str, str]) -> None:
        """Section 7.6, of a report with its parts. A 409 is a success here."""
        try:
            await complete_mapping(
                self._context,
                report_key(report_id),
                mapping,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
            )
        except Conflict as conflict:
            log.info("mapping of CSIP report %d: %s", report_id, conflict)
        self._tell("csip-mapping-created-synchronisation-success", attributes)

    async def retry_parts(self, report_id: int, mapping: Json, attributes: Mapping[str, str]) -> None:
        """Section 7.6, of added parts. A 409 is a success here."""
        try:
            await self._calls.post_parts(mapping)
        except Conflict as conflict:
            log.info("mappings of parts of CSIP report %d: %s", report_id, conflict)
        key = PartsKey(report_id).ledger_key
        record = await self._context.ledger.record(key)
        # a later update may have added more, whose mappings are not these
        if record is not None and record.state is State.WRITTEN and record.mapping == {**mapping, PARTS_ONLY: True}:
            await self._mapped(key)
        self._tell("csip-mapping-updated-synchronisation-success", attributes)

    async def _create(self, report: CsipReport, base: Told) -> None:
        actioned = actioned_by(report)
        body = _record(report, actioned)

        def mapping_of(created: tuple[str, SyncedCsip]) -> Json:
            return pairs_of(report.id, *created, NOMIS_CREATED)

        result = await create_once(
            self._context,
            Create(
                key=report_key(report.id),
                client=self._calls.dps,
                find_mapping=lambda: self._calls.find_mapping(report.id),
                write=lambda: self._calls.create(body),
                dps_id_of=lambda created: created[0],
                mapping_of=mapping_of,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
            ),
        )
        if isinstance(result, AlreadyMapped):
            # another message of the same event has made it since we looked
            self._tell("csip-synchronisation-created-ignored", {**base, "dpsCSIPId": result.mapping})
            return
        told = {**base, "dpsCSIPId": result.dps_id}
        failed = False
        if isinstance(result, Duplicate):
            self._tell_duplicate(result.duplicate, result.existing)
        elif result.mapping_failed:
            failed = True
            await self._queue(RETRY, result.mapping, told)
        elif result.resumed:
            # made by an attempt that died: NOMIS may have changed since
            await self._send(Change(report, result.dps_id, actioned), told)
        self._tell("csip-synchronisation-created-success", {**told, **(INITIAL_FAILURE if failed else {})})

    async def _send(self, change: Change, told: Told) -> bool:
        """Section 7.3, steps 6 to 8; whether DPS made parts. Their mappings are recorded, or left to a retry message.

        Raises `InDoubt` while parts may have been made by a call whose answer was lost.
        """
        known = await self._calls.known_parts(change.dps_id)
        if not known.cover(change.report):
            return await self._send_new_parts(change, known, told)
        made = await self._calls.synchronise(change.body(known), idempotent=True)
        if not made.mappings:
            return False
        pairs = pairs_of(change.report.id, change.dps_id, made, NOMIS_CREATED)
        try:
            await self._calls.post_parts(pairs)
        except Conflict as conflict:
            self._tell_duplicate(conflict.duplicate or pairs, conflict.existing)
        except ServiceError:
            await self._queue(RETRY_PARTS, pairs, told)
        return True

    async def _send_new_parts(self, change: Change, known: KnownParts, told: Told) -> bool:
        bodies = [change.body(known)]
        sent: list[SyncedCsip] = []

        async def look_again() -> str | None:
            """Asked when parts were added before: their mappings may have come since we looked."""
            again = await self._calls.known_parts(change.dps_id)
            bodies[0] = change.body(again)
            return change.dps_id if again.cover(change.report) else None

        async def write() -> SyncedCsip:
            made = await self._calls.synchronise(bodies[0], idempotent=False)
            sent.append(made)
            return made

        def mapping_of(made: SyncedCsip) -> Json:
            return {**pairs_of(change.report.id, change.dps_id, made, NOMIS_CREATED), PARTS_ONLY: True}

        async def post(pairs: Json) -> None:
            # an answer without parts leaves nothing to map (step 7)
            if not sent or sent[-1].mappings:
                await self._calls.post_parts(pairs)

        result = await create_once(
            self._context,
            Create(
                key=PartsKey(change.report.id).ledger_key,
                client=self._calls.dps,
                find_mapping=look_again,
                write=write,
                dps_id_of=lambda _made: change.dps_id,
                mapping_of=mapping_of,
                post_mapping=post,
                dps_field=DPS_ID_FIELD,
            ),
        )
        if isinstance(result, AlreadyMapped):
            return await self._send(change, told)
        if isinstance(result, Duplicate):
            self._tell_duplicate(result.duplicate, result.existing)
        if not sent:
            return await self._go_on(change, result, told)
        if isinstance(result, Created) and result.mapping_failed:
            await self._queue(RETRY_PARTS, _without_mark(result.mapping), told)
        return bool(sent[-1].mappings)

    async def _go_on(self, change: Change, earlier: Created | Duplicate, told: Told) -> bool:
        """The mappings of an earlier update were still to be recorded. Only with them can this one be sent."""
        if isinstance(earlier, Created) and earlier.mapping_failed:
            raise HandlerError(
                f"parts of CSIP report {change.report.id} wait for their mappings: sent now, they would be made again"
            )
        return await self._send(change, told)

    async def _queue(self, retry: str, mapping: Json, told: Told) -> None:
        attributes = {name: str(value) for name, value in told.items()}
        await self._context.queues.send_internal(QUEUE, retry, mapping, attributes)

    async def _mapped(self, key: RecordKey) -> None:
        try:
            await self._context.ledger.mapped(key)
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            log.info("the ledger was not changed: %s", error)

    def _tell_duplicate(self, duplicate: Mapping[str, Any] | None, existing: Mapping[str, Any] | None) -> None:
        self._tell("csip-synchronisation-from-nomis-duplicate", duplicate_properties(duplicate, existing))

    def _tell(self, name: str, told: Told) -> None:
        self._context.telemetry.event(name, told)


def _record(
    report: CsipReport, actioned: Actioned, dps_id: str | None = None, known: KnownParts | None = None
) -> SyncCsip:
    try:
        return to_record(report, actioned, dps_id, known or KnownParts())
    except Rejected as rejection:
        where = f"{rejection.details.get('field')} of row {rejection.details.get('id')}"
        raise HandlerError(f"CSIP report {report.id}: {rejection.reason}, {where}") from None


def _named(part: Part | None) -> str:
    return "row" if part is None else part.component


def _without_mark(mapping: Json) -> Json:
    return {name: value for name, value in mapping.items() if name != PARTS_ONLY}


def _text_of(error: Exception) -> str:
    """The text of an error, with the status in words where there is one (section 7.7)."""
    if not isinstance(error, ServiceError) or error.status is None:
        return shown_text(error)
    return f"{error.status} {HTTPStatus(error.status).phrase} from {error.service} {error.method} {error.template}"
