"""The events of adjustments (adjustments card, section 7).

All handlers of a booking go one after another: an upsert, a delete, the merge that creates what a booking lacks and a
resync may be about one adjustment, and the booking is what each of them knows. A mapping retry only posts a settled
pair, so it needs no place in that row. Between two consumers the claim of the ledger keeps creates apart.
"""

from collections.abc import Mapping
from typing import Any

from nomis_pipelines.contracts.nomis_mapping_service import AdjustmentMapping
from nomis_pipelines.contracts.nomis_prisoner import SentenceAdjustment
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.domains.sentencing_adjustments.clients import (
    DPS_ID_FIELD,
    DUPLICATE_FIELDS,
    KEY_DATE,
    SENTENCE,
    AdjustmentCalls,
    AdjustmentKey,
)
from nomis_pipelines.domains.sentencing_adjustments.transform import Adjustment, transform
from nomis_pipelines.http import NotFound
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Delivery,
    Duplicate,
    EventBody,
    HandlerError,
    SyncContext,
    Synchronisation,
    complete_mapping,
    create_once,
    on,
    on_internal,
    require_settled,
)

QUEUE = "eventsentencing"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
FROM_DPS = "DPS_SYNCHRONISATION"


class AdjustmentEvent(EventBody):
    """Of a key-date adjustment, and what a sentence adjustment's has too. Numbers may come as text."""

    offender_id_display: str
    booking_id: int
    adjustment_id: int
    audit_module_name: str | None = None


class SentenceAdjustmentEvent(AdjustmentEvent):
    """Of a sentence adjustment."""

    sentence_seq: int


class BookingEvent(EventBody):
    """A booking's number was changed by a merge."""

    booking_id: int


class SentenceId(EventBody):
    """One sentence of a booking."""

    offender_booking_id: int
    sentence_sequence: int


class ResyncSentence(EventBody):
    """The adjustments of one sentence that are to be copied."""

    sentence_id: SentenceId
    adjustment_ids: list[int]


class ResyncRequest(EventBody):
    """What the DPS-to-NOMIS service asks for (section 7.5)."""

    offender_no: str
    sentences: list[ResyncSentence]


class AdjustmentWork:
    """Upsert, delete, merge and repair, for whatever asks for them."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = AdjustmentCalls(context.clients)

    async def upsert(self, key: AdjustmentKey, properties: Mapping[str, object]) -> None:
        """Section 7.1 from step 2 on: read NOMIS, look the mapping up, update DPS or make the record there."""
        prefix = _prefix(key)
        try:
            adjustment = await self._calls.read(key)
        except NotFound:
            adjustment = None
        if adjustment is None or (isinstance(adjustment, SentenceAdjustment) and adjustment.hidden_from_users):
            gone = "hidden-or-deleted" if key.category == SENTENCE else "deleted"
            self._tell(f"{prefix}-{gone}-synchronisation-skipped", properties)
            return
        mapping = await self._calls.find_mapping(key)
        if mapping is not None:
            await self._update(mapping.adjustment_id, key, adjustment, properties)
        else:
            await self._create(key, adjustment, properties)

    async def delete(self, key: AdjustmentKey, properties: Mapping[str, object]) -> None:
        """Section 7.2. Deletes that began in DPS are made too: the module name may be that of the last update.

        Raises `HandlerError` while a create is not settled: ignored then, the adjustment would stay in DPS for ever.
        """
        prefix = _prefix(key)
        mapping = await self._calls.find_mapping(key)
        if mapping is None:
            await require_settled(self._context, key.ledger_key)
            self._tell(f"{prefix}-delete-synchronisation-ignored", properties)
            return
        await self._calls.delete(mapping.adjustment_id)
        await self._calls.delete_mapping(mapping.adjustment_id)
        self._tell(f"{prefix}-delete-synchronisation-success", {**properties, DPS_ID_FIELD: mapping.adjustment_id})

    async def merge(self, booking_id: int) -> None:
        """Section 7.3: make what the booking has in NOMIS and DPS does not know; nothing is updated or deleted."""
        found = await self._calls.of_booking(booking_id)
        created = {SENTENCE: 0, KEY_DATE: 0}
        for adjustment in (*found.sentence_adjustments, *found.key_date_adjustments):
            key = key_of(adjustment)
            if await self._calls.find_mapping(key) is None:
                created[key.category] += 1
                await self.upsert(key, properties_of(adjustment, booking_id))
        self._tell(
            "from-nomis-synch-adjustment-merge",
            {
                "bookingId": booking_id,
                "sentenceAdjustments": len(found.sentence_adjustments),
                "keyDateAdjustments": len(found.key_date_adjustments),
                "sentenceAdjustmentsCreated": created[SENTENCE],
                "keyDateAdjustmentsCreated": created[KEY_DATE],
            },
        )

    async def refresh(self, booking_id: int) -> None:
        """Section 8: bring every adjustment of a booking up to date in DPS, or make it there. Nothing is deleted."""
        found = await self._calls.of_booking(booking_id)
        for adjustment in (*found.sentence_adjustments, *found.key_date_adjustments):
            await self.upsert(key_of(adjustment), properties_of(adjustment, booking_id))

    async def retry_mapping(self, mapping: AdjustmentMapping, properties: Mapping[str, str]) -> None:
        """Section 7.4: only the mapping is posted."""
        key = AdjustmentKey(mapping.nomis_adjustment_category, mapping.nomis_adjustment_id)
        result = await complete_mapping(
            self._context,
            key.ledger_key,
            mapping.model_dump(by_alias=True, exclude_none=True),
            post_mapping=self._calls.post_mapping,
            dps_field=DPS_ID_FIELD,
        )
        if isinstance(result, Duplicate):
            self._tell_duplicate(result)
        else:
            self._tell("adjustment-mapping-created-synchronisation-success", properties)

    async def _update(
        self, dps_id: str, key: AdjustmentKey, adjustment: Adjustment, properties: Mapping[str, object]
    ) -> None:
        await self._calls.update(dps_id, _body(adjustment))
        self._tell(f"{_prefix(key)}-updated-synchronisation-success", {**properties, DPS_ID_FIELD: dps_id})

    async def _create(self, key: AdjustmentKey, adjustment: Adjustment, properties: Mapping[str, object]) -> None:
        body = _body(adjustment)

        def mapping_of(dps_id: str) -> dict[str, Any]:
            return {
                "nomisAdjustmentId": key.id,
                "nomisAdjustmentCategory": key.category,
                "adjustmentId": dps_id,
                "mappingType": "NOMIS_CREATED",
            }

        result = await create_once(
            self._context,
            Create(
                key=key.ledger_key,
                client=self._calls.dps,
                find_mapping=lambda: self._calls.find_mapping(key),
                write=lambda: self._calls.create(body),
                dps_id_of=str,
                mapping_of=mapping_of,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
            ),
        )
        if isinstance(result, AlreadyMapped):
            # another event made it since we looked: what we read is at least as new, so it is an update
            await self._update(result.mapping.adjustment_id, key, adjustment, properties)
            return
        told = {**properties, DPS_ID_FIELD: result.dps_id}
        if isinstance(result, Duplicate):
            self._tell_duplicate(result)
        else:
            if result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self._calls.update(result.dps_id, body)
            if result.mapping_failed:
                attributes = {name: str(value) for name, value in told.items()}
                await self._context.queues.send_internal(QUEUE, RETRY, result.mapping, attributes)
                told["mapping"] = "initial-failure"
        self._tell(f"{_prefix(key)}-created-synchronisation-success", told)

    def _tell_duplicate(self, duplicate: Duplicate) -> None:
        self._tell(
            "from-nomis-synch-adjustment-duplicate",
            duplicate_properties(duplicate.duplicate, duplicate.existing, *DUPLICATE_FIELDS),
        )

    def _tell(self, name: str, properties: Mapping[str, object]) -> None:
        self._context.telemetry.event(name, properties)


class AdjustmentsSynchronisation(Synchronisation):
    """NOMIS's events of adjustments, and our own mapping retries."""

    queue = QUEUE
    switch_domain = "sentencing"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = AdjustmentWork(context)

    @on("SENTENCE_ADJUSTMENT_UPSERTED", key=lambda event: event.booking_id)
    async def sentence_upserted(self, event: SentenceAdjustmentEvent) -> None:
        """Section 7.1."""
        await self._upserted(AdjustmentKey(SENTENCE, event.adjustment_id), event, _of_sentence_event(event))

    @on("KEY_DATE_ADJUSTMENT_UPSERTED", key=lambda event: event.booking_id)
    async def key_date_upserted(self, event: AdjustmentEvent) -> None:
        """Section 7.1."""
        await self._upserted(AdjustmentKey(KEY_DATE, event.adjustment_id), event, _of_event(event))

    @on("SENTENCE_ADJUSTMENT_DELETED", key=lambda event: event.booking_id)
    async def sentence_deleted(self, event: SentenceAdjustmentEvent) -> None:
        """Section 7.2."""
        await self._work.delete(AdjustmentKey(SENTENCE, event.adjustment_id), _of_sentence_event(event))

    @on("KEY_DATE_ADJUSTMENT_DELETED", key=lambda event: event.booking_id)
    async def key_date_deleted(self, event: AdjustmentEvent) -> None:
        """Section 7.2."""
        await self._work.delete(AdjustmentKey(KEY_DATE, event.adjustment_id), _of_event(event))

    @on("BOOKING_NUMBER-CHANGED", key=lambda event: event.booking_id)
    async def merged(self, event: BookingEvent) -> None:
        """Section 7.3."""
        await self._work.merge(event.booking_id)

    @on_internal(RETRY, key=lambda mapping: f"{mapping.nomis_adjustment_category}/{mapping.nomis_adjustment_id}")
    async def retry_mapping(self, mapping: AdjustmentMapping, delivery: Delivery) -> None:
        """Section 7.4."""
        await self._work.retry_mapping(mapping, delivery.telemetry_attributes)

    async def _upserted(self, key: AdjustmentKey, event: AdjustmentEvent, properties: Mapping[str, object]) -> None:
        if event.audit_module_name is not None and event.audit_module_name.startswith(FROM_DPS):
            self.context.telemetry.event(f"{_prefix(key)}-synchronisation-skipped", properties)
            return
        await self._work.upsert(key, properties)


class AdjustmentsResynchronisation(Synchronisation):
    """The one message about adjustments on the queue of court sentencing, whose consumer serves it with its own."""

    queue = "eventcourtsentencing"
    switch_domain = "courtsentencing"
    redelivery_seconds = (1, 1, 1, 1, 1, 1, 5, 5, 60, 1, 1, 1, 1, 1, 1, 5, 5, 60)

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = AdjustmentWork(context)

    @on_internal(
        "courtsentencing.resync.sentence-adjustments",
        key=lambda request: request.sentences[0].sentence_id.offender_booking_id if request.sentences else "",
    )
    async def resynchronise(self, request: ResyncRequest) -> None:
        """Section 7.5: every adjustment of every sentence, in order, whoever changed it last."""
        for sentence in request.sentences:
            for adjustment_id in sentence.adjustment_ids:
                await self._work.upsert(
                    AdjustmentKey(SENTENCE, adjustment_id),
                    {
                        "offenderNo": request.offender_no,
                        "bookingId": sentence.sentence_id.offender_booking_id,
                        "sentenceSequence": sentence.sentence_id.sentence_sequence,
                        "nomisAdjustmentId": adjustment_id,
                        "adjustmentCategory": SENTENCE,
                    },
                )


def key_of(adjustment: Adjustment) -> AdjustmentKey:
    """The key of an adjustment read from NOMIS."""
    return AdjustmentKey(SENTENCE if isinstance(adjustment, SentenceAdjustment) else KEY_DATE, adjustment.id)


def properties_of(adjustment: Adjustment, booking_id: int) -> dict[str, object]:
    """The properties that telemetry tells of an adjustment as if an event had come for it."""
    key = key_of(adjustment)
    sequence = {"sentenceSequence": adjustment.sentence_sequence} if isinstance(adjustment, SentenceAdjustment) else {}
    return {
        "offenderNo": adjustment.offender_no,
        "bookingId": booking_id,
        **sequence,
        "nomisAdjustmentId": key.id,
        "adjustmentCategory": key.category,
    }


def _of_event(event: AdjustmentEvent) -> dict[str, object]:
    return {
        "offenderNo": event.offender_id_display,
        "bookingId": event.booking_id,
        "nomisAdjustmentId": event.adjustment_id,
        "adjustmentCategory": KEY_DATE,
    }


def _of_sentence_event(event: SentenceAdjustmentEvent) -> dict[str, object]:
    return {
        "offenderNo": event.offender_id_display,
        "bookingId": event.booking_id,
        "sentenceSequence": event.sentence_seq,
        "nomisAdjustmentId": event.adjustment_id,
        "adjustmentCategory": SENTENCE,
    }


def _body(adjustment: Adjustment) -> Any:
    try:
        return transform(adjustment)
    except Rejected as rejection:
        code = rejection.details.get("code")
        raise HandlerError(f"adjustment {adjustment.id}: {rejection.reason} {code}") from None


def _prefix(key: AdjustmentKey) -> str:
    return "sentence-adjustment" if key.category == SENTENCE else "key-date-adjustment"
