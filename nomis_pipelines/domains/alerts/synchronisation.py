"""The events of alerts (alerts card, section 7).

All handlers of a prisoner go one after another: a single alert and the prisoner's whole set may be about one alert, and
the prisoner is what each of them knows. The number that a merge takes away has no events of its own any more, so a
merge goes with the number that it leaves. Between two consumers the claim of the ledger keeps creates apart.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nomis_pipelines.contracts.nomis_mapping_service import (
    AlertMapping,
    MergedAlertMappings,
    NewPrisonerAlertMappings,
)
from nomis_pipelines.contracts.nomis_prisoner import Alert
from nomis_pipelines.domains.alerts.clients import DPS_ID_FIELD, DUPLICATE_FIELDS, AlertCalls, AlertKey
from nomis_pipelines.domains.alerts.prisoners import MOVE_TARGET, QUEUE, RETRY_MERGED, RETRY_REPLACE, PrisonerWork
from nomis_pipelines.domains.alerts.transform import create_alert, creator, modifier, update_alert
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.http import Conflict, ServiceError
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

RETRY = "RETRY_SYNCHRONISATION_MAPPING"
RETRY_BATCH = "RETRY_SYNCHRONISATION_MAPPING_BATCH"
FROM_DPS = "DPS_SYNCHRONISATION"
COPIED_TO_NEW_BOOKING = "OMKCOPY.COPY_BOOKING_DATA"
LATEST = 1

log = logging.getLogger(__name__)


class AlertEvent(EventBody):
    """Of one alert. Numbers may come as text."""

    booking_id: int
    alert_seq: int
    offender_id_display: str

    @property
    def key(self) -> AlertKey:
        """The alert that it is of."""
        return AlertKey(self.offender_id_display, self.booking_id, self.alert_seq)


class MergedPrisoner(EventBody):
    """What of a merge is told: the number that stays, the one that is gone, the booking that changed hands."""

    noms_number: str
    removed_noms_number: str
    booking_id: int


class MergedEvent(EventBody):
    """Two prisoner numbers have become one."""

    occurred_at: datetime
    additional_information: MergedPrisoner


class MovedBooking(EventBody):
    """From whom to whom a booking was moved."""

    moved_to_noms_number: str
    moved_from_noms_number: str
    booking_id: int


class MovedEvent(EventBody):
    """A booking was moved to another prisoner."""

    additional_information: MovedBooking


class ReceivedPrisoner(EventBody):
    """Who was received into prison, and why."""

    noms_number: str
    reason: str


class ReceivedEvent(EventBody):
    """A prisoner was received into prison."""

    additional_information: ReceivedPrisoner


class MoveTarget(EventBody):
    """Our own message: resynchronise the prisoner that a booking was moved to."""

    booking_id: int
    offender_no: str
    which_prisoner: str


class PrisonerMappings(EventBody):
    """Our own message: put these mappings of a prisoner."""

    offender_no: str
    prisoner_mappings: NewPrisonerAlertMappings


class MergedMappings(EventBody):
    """Our own message: put these mappings after a merge. The field is called so in both (section 7.8)."""

    offender_no: str
    prisoner_mappings: MergedAlertMappings


class AlertWork:
    """Insert, update and delete of one alert, and the mapping retries."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = AlertCalls(context.clients)

    async def insert(self, key: AlertKey) -> None:
        """Section 7.2, row by row.

        Raises `HandlerError` while the prisoner's migration is not settled: the alert may be in DPS by it.
        """
        base = _base(key)
        alert = await self._calls.read(key.booking_id, key.sequence)
        if _from_dps(alert):
            self._tell("alert-synchronisation-created-skipped", base)
            return
        if alert.audit.audit_additional_info == COPIED_TO_NEW_BOOKING:
            self._tell("alert-created-new-booking-ignored", base)
            return
        mapping = await self._calls.find_mapping(key.booking_id, key.sequence)
        if mapping is not None:
            self._tell("alert-synchronisation-created-ignored", {**base, DPS_ID_FIELD: mapping.dps_alert_id})
        elif alert.booking_sequence != LATEST:
            previous = {**base, "bookingSequence": alert.booking_sequence}
            self._tell("alert-synchronisation-created-ignored-previous-booking", previous)
        else:
            await self._create(key, alert, base)

    async def update(self, key: AlertKey) -> None:
        """Section 7.3. Raises `HandlerError` for an alert that should have a mapping and has none."""
        base = _base(key)
        alert = await self._calls.read(key.booking_id, key.sequence)
        if _from_dps(alert):
            self._tell("alert-synchronisation-updated-skipped", base)
            return
        mapping = await self._calls.find_mapping(key.booking_id, key.sequence)
        if mapping is not None:
            # whatever the booking: it was migrated when that was the latest (section 11)
            await self._calls.update(mapping.dps_alert_id, update_alert(alert), modifier(alert))
            self._tell("alert-synchronisation-updated-success", {**base, DPS_ID_FIELD: mapping.dps_alert_id})
        elif alert.booking_sequence != LATEST:
            await self._require_settled(key)
            previous = {**base, "bookingSequence": alert.booking_sequence}
            self._tell("alert-synchronisation-updated-ignored-previous-booking", previous)
        else:
            self._tell("alert-synchronisation-updated-failed", base)
            if self._context.settings.alerts_has_migrated_data:
                raise HandlerError(
                    f"alert {key} has no mapping to be updated by: it is not in DPS yet, or its mapping was lost "
                    "(ALERTS_HAS_MIGRATED_DATA=false lets such updates pass)"
                )
            await self._require_settled(key)

    async def delete(self, key: AlertKey) -> None:
        """Section 7.4. NOMIS has it no more, so nobody can tell who deleted it.

        Raises `HandlerError` while a create is not settled: ignored then, the alert would stay in DPS for ever.
        """
        base = _base(key)
        mapping = await self._calls.find_mapping(key.booking_id, key.sequence)
        if mapping is None:
            await self._require_settled(key)
            self._tell("alert-synchronisation-deleted-ignored", base)
            return
        dps_id = mapping.dps_alert_id
        await self._calls.delete(dps_id)
        try:
            await self._calls.delete_mapping(dps_id)
        except ServiceError as error:
            self._tell("alert-mapping-deleted-failed", {DPS_ID_FIELD: dps_id})
            log.warning(
                "the mapping of DPS alert %s must be deleted by hand, DPS has the alert no more: %s", dps_id, error
            )
        self._tell("alert-synchronisation-deleted-success", {**base, DPS_ID_FIELD: dps_id})

    async def retry_mapping(self, mapping: AlertMapping, attributes: Mapping[str, str]) -> None:
        """Section 7.8. Raises for whatever the mapping service refuses, another pair that it has too (section 9)."""
        key = AlertKey(mapping.offender_no, mapping.nomis_booking_id, mapping.nomis_alert_sequence)
        result = await complete_mapping(
            self._context,
            key.ledger_key,
            mapping.model_dump(by_alias=True, exclude_none=True),
            post_mapping=self._calls.post_mapping,
            dps_field=DPS_ID_FIELD,
        )
        if isinstance(result, Duplicate):
            raise HandlerError(
                f"alert {key} is mapped to DPS alert {result.existing_dps_id}, so {result.dps_id} is surplus: "
                "delete it in DPS (duplicates resolve) and drop this message, or repair the prisoner"
            )
        self._tell("alert-mapping-created-synchronisation-success", attributes)

    async def retry_batch(self, mappings: list[AlertMapping], attributes: Mapping[str, str]) -> None:
        """Section 7.8, last row: messages that were left over from the merge of 2024."""
        bodies = [mapping.model_dump(by_alias=True, exclude_none=True) for mapping in mappings]
        try:
            await self._calls.post_mappings(bodies)
        except Conflict as conflict:
            surplus = conflict.duplicate or {}
            told = duplicate_properties(conflict.duplicate, conflict.existing, *DUPLICATE_FIELDS)
            self._tell("from-nomis-sync-alert-duplicate", {"offenderNo": surplus.get("offenderNo"), **told})
        else:
            self._tell("alert-mapping-created-merge-success", attributes)

    async def _require_settled(self, key: AlertKey) -> None:
        """No mapping says little while the migration, or another event, has written and is yet to record it."""
        await require_settled(self._context, key.prisoner_key)
        await require_settled(self._context, key.ledger_key)

    async def _create(self, key: AlertKey, alert: Alert, base: Mapping[str, object]) -> None:
        await require_settled(self._context, key.prisoner_key)
        body, username = create_alert(alert), creator(alert)

        def mapping_of(dps_id: str) -> dict[str, Any]:
            return {
                DPS_ID_FIELD: dps_id,
                "nomisBookingId": alert.booking_id,
                "nomisAlertSequence": alert.alert_sequence,
                "offenderNo": key.offender_no,
                "mappingType": "NOMIS_CREATED",
            }

        result = await create_once(
            self._context,
            Create(
                key=key.ledger_key,
                client=self._calls.dps,
                find_mapping=lambda: self._calls.find_mapping(key.booking_id, key.sequence),
                write=lambda: self._calls.create(key.offender_no, body, username),
                dps_id_of=str,
                mapping_of=mapping_of,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
            ),
        )
        if isinstance(result, AlreadyMapped):
            # another message of the same event has made it since we looked
            self._tell("alert-synchronisation-created-ignored", {**base, DPS_ID_FIELD: result.mapping.dps_alert_id})
            return
        told = {**base, DPS_ID_FIELD: result.dps_id}
        if not isinstance(result, Duplicate) and result.resumed:
            # made by an attempt that died: NOMIS may have changed since
            await self._calls.update(result.dps_id, update_alert(alert), modifier(alert))
        if isinstance(result, Duplicate) or result.mapping_failed:
            attributes = {name: str(value) for name, value in base.items()}
            await self._context.queues.send_internal(QUEUE, RETRY, mapping_of(result.dps_id), attributes)
            told["mapping"] = "initial-failure"
        self._tell("alert-synchronisation-created-success", told)

    def _tell(self, name: str, properties: Mapping[str, object]) -> None:
        self._context.telemetry.event(name, properties)


class AlertsSynchronisation(Synchronisation):
    """NOMIS's and the prisoners' events that concern alerts, and our own messages."""

    queue = QUEUE
    switch_domain = "alerts"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._alerts = AlertWork(context)
        self._prisoners = PrisonerWork(context)

    @on("ALERT-INSERTED", key=lambda event: event.offender_id_display)
    async def inserted(self, event: AlertEvent) -> None:
        """Section 7.2."""
        await self._alerts.insert(event.key)

    @on("ALERT-UPDATED", key=lambda event: event.offender_id_display)
    async def updated(self, event: AlertEvent) -> None:
        """Section 7.3."""
        await self._alerts.update(event.key)

    @on("ALERT-DELETED", key=lambda event: event.offender_id_display)
    async def deleted(self, event: AlertEvent) -> None:
        """Section 7.4."""
        await self._alerts.delete(event.key)

    @on("prison-offender-events.prisoner.merged", key=lambda event: event.additional_information.noms_number)
    async def merged(self, event: MergedEvent) -> None:
        """Section 7.5."""
        merge = event.additional_information
        await self._prisoners.merge(merge.noms_number, merge.removed_noms_number, merge.booking_id)

    @on(
        "prison-offender-events.prisoner.booking.moved",
        key=lambda event: event.additional_information.moved_from_noms_number,
    )
    async def moved(self, event: MovedEvent) -> None:
        """Section 7.6: the prisoner it came from at once, the other by a message of his own."""
        move = event.additional_information
        await self._prisoners.move(move.booking_id, "FROM", move.moved_from_noms_number)
        target = {"bookingId": move.booking_id, "offenderNo": move.moved_to_noms_number, "whichPrisoner": "TO"}
        await self.context.queues.send_internal(QUEUE, MOVE_TARGET, target, {})

    @on("prisoner-offender-search.prisoner.received", key=lambda event: event.additional_information.noms_number)
    async def received(self, event: ReceivedEvent) -> None:
        """Section 7.7."""
        await self._prisoners.received(event.additional_information.noms_number, event.additional_information.reason)

    @on_internal(MOVE_TARGET, key=lambda target: target.offender_no)
    async def move_target(self, target: MoveTarget) -> None:
        """Section 7.6, step 3."""
        await self._prisoners.move_target(target.booking_id, target.which_prisoner, target.offender_no)

    @on_internal(RETRY, key=lambda mapping: mapping.offender_no)
    async def retry_mapping(self, mapping: AlertMapping, delivery: Delivery) -> None:
        """Section 7.8."""
        await self._alerts.retry_mapping(mapping, delivery.telemetry_attributes)

    @on_internal(RETRY_REPLACE, key=lambda retry: retry.offender_no)
    async def retry_replace(self, retry: PrisonerMappings, delivery: Delivery) -> None:
        """Section 7.8."""
        pairs = retry.prisoner_mappings.model_dump(by_alias=True, exclude_none=True)
        await self._prisoners.retry_replace(retry.offender_no, pairs, delivery.telemetry_attributes)

    @on_internal(RETRY_MERGED, key=lambda retry: retry.offender_no)
    async def retry_merged(self, retry: MergedMappings, delivery: Delivery) -> None:
        """Section 7.8."""
        mappings = retry.prisoner_mappings.model_dump(by_alias=True, exclude_none=True)
        await self._prisoners.retry_merged(retry.offender_no, mappings, delivery.telemetry_attributes)

    @on_internal(RETRY_BATCH, key=lambda mappings: mappings[0].offender_no if mappings else "")
    async def retry_batch(self, mappings: list[AlertMapping], delivery: Delivery) -> None:
        """Section 7.8."""
        await self._alerts.retry_batch(mappings, delivery.telemetry_attributes)


def _base(key: AlertKey) -> dict[str, object]:
    """The properties of every event about one alert (section 7.1)."""
    return {"bookingId": key.booking_id, "alertSequence": key.sequence, "offenderNo": key.offender_no}


def _from_dps(alert: Alert) -> bool:
    return (alert.audit.audit_module_name or "").startswith(FROM_DPS)
