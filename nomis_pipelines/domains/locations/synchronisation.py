"""The events of locations (locations card, section 7).

Events of one location go one after another, whatever they tell of. Those of a parent and of its children do not wait
for each other: a child that comes first fails for want of its parent's mapping, and when it is redelivered, seconds
later, there is one (section 9). A parent that cannot be made leaves its children in the dead-letter queue; once it has
been made, `queues retry` sends them again. So nothing is ever made without its parent, and no lane waits for another.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from nomis_pipelines.contracts.locations import UpsertLocation
from nomis_pipelines.contracts.nomis_mapping_service import LocationMapping
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.domains.locations.clients import DPS_ID_FIELD, DUPLICATE_FIELDS, LocationCalls, ledger_key
from nomis_pipelines.domains.locations.transform import to_upsert
from nomis_pipelines.http import Conflict, ServiceError
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Created,
    Delivery,
    Duplicate,
    EventBody,
    HandlerError,
    Redeliver,
    SyncContext,
    Synchronisation,
    complete_mapping,
    create_once,
    on,
    on_internal,
    require_settled,
)
from nomis_pipelines.synchronisation.failures import told

QUEUE = "eventlocations"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
FROM_DPS = "DPS_SYNCHRONISATION"
VSIP_ROOMS = ("-VISITS-VSIP_CLO", "-VISITS-VSIP_SOC", "-VISIT-VSIP_CLO", "-VISIT-VSIP_SOC")
IGNORED_PRISONS = frozenset({"UNKNWN", "TRN", "LT3", "LT4"})
"""Prisons of events that are none; ZZGHI is one here, though not in the migration (section 7.1)."""
FROZEN_IN_DPS = frozenset({107, 120})
"""Error codes of an update: permanently deactivated; a cell that was converted to something else (section 7.3)."""


class LocationEvent(EventBody):
    """A location, or one of its profiles or usages, was made, changed or deleted."""

    internal_location_id: int
    description: str | None = None
    old_description: str | None = None
    prison_id: str | None = None
    record_deleted: bool | None = None
    audit_module_name: str | None = None

    @property
    def base(self) -> dict[str, object]:
        """What all telemetry of it says."""
        return {"nomisLocationId": self.internal_location_id, "key": self.description or ""}

    @property
    def is_from_dps(self) -> bool:
        """Whether DPS made the change."""
        return (self.audit_module_name or "").startswith(FROM_DPS)

    @property
    def is_new_vsip_room(self) -> bool:
        """A visits room made in NOMIS for the visit scheduler: from DPS, but not from its locations service."""
        return self.old_description is None and (self.description or "").endswith(VSIP_ROOMS)


class LocationWork:
    """Create, update and delete, for whatever asks for them."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = LocationCalls(context.clients)

    async def change(self, event: LocationEvent) -> None:
        """Section 7.1 from step 2 on."""
        mapping = await self._calls.find_mapping(event.internal_location_id)
        if event.record_deleted:
            if mapping is None:
                # also while a create is not settled: the message comes back until there is something to delete
                raise HandlerError(f"Cannot find mapping for location {event.internal_location_id} to delete")
            await self._delete(mapping.dps_location_id, event)
        elif mapping is None:
            await self._create(event)
        else:
            await self._update(mapping.dps_location_id, event)

    async def change_profile(self, event: LocationEvent) -> None:
        """Section 7.2, of a profile, from step 2 on."""
        mapping = await self._calls.find_mapping(event.internal_location_id)
        if mapping is None:
            raise HandlerError(f"Cannot find mapping for location {event.internal_location_id} to update attribute")
        await self._update(mapping.dps_location_id, event)

    async def change_usage(self, event: LocationEvent) -> None:
        """Section 7.2, of a usage, from step 2 on: NOMIS has usages of locations that do not exist.

        Raises `HandlerError` while a create is not settled: skipped then, the usage would never reach DPS.
        """
        mapping = await self._calls.find_mapping(event.internal_location_id)
        if mapping is None:
            await require_settled(self._context, ledger_key(event.internal_location_id))
            self._tell("locations-synchronisation-skipped-usage", event.base)
            return
        await self._update(mapping.dps_location_id, event)

    async def retry_mapping(self, mapping: LocationMapping, properties: Mapping[str, str]) -> None:
        """Section 7.5: only the mapping is posted. Another pair in its place counts as success here."""
        await complete_mapping(
            self._context,
            ledger_key(mapping.nomis_location_id),
            mapping.model_dump(by_alias=True, exclude_none=True),
            post_mapping=self._calls.post_mapping,
            dps_field=DPS_ID_FIELD,
        )
        self._tell("locations-mapping-created-synchronisation-success", properties)

    async def _create(self, event: LocationEvent) -> None:
        """Section 7.1, create flow."""
        if self._is_ignored(event):
            return
        with self._failure_told("created", event.base):
            body = await self._body(event.internal_location_id, None)
            result = await self._create_once(event.internal_location_id, body)
            if isinstance(result, Created) and result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self._calls.update(_of_dps_id(body, result.dps_id))
        if isinstance(result, AlreadyMapped):
            # another event made it since we looked
            await self._update(result.mapping.dps_location_id, event)
            return
        properties = {**event.base, DPS_ID_FIELD: result.dps_id}
        if isinstance(result, Duplicate):
            self._tell(
                "from-nomis-synch-location-duplicate",
                duplicate_properties(result.duplicate, result.existing, *DUPLICATE_FIELDS),
            )
        elif result.mapping_failed:
            await self._context.queues.send_internal(QUEUE, RETRY, result.mapping, properties)
            properties["mapping"] = "initial-failure"
        self._tell("locations-created-synchronisation-success", properties)

    async def _create_once(
        self, location_id: int, body: UpsertLocation
    ) -> Created | Duplicate | AlreadyMapped[LocationMapping]:
        def mapping_of(dps_id: str) -> dict[str, Any]:
            return {"dpsLocationId": dps_id, "nomisLocationId": location_id, "mappingType": "NOMIS_CREATED"}

        return await create_once(
            self._context,
            Create(
                key=ledger_key(location_id),
                client=self._calls.dps,
                find_mapping=lambda: self._calls.find_mapping(location_id),
                write=lambda: self._calls.create(body),
                dps_id_of=str,
                mapping_of=mapping_of,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
            ),
        )

    async def _update(self, dps_id: str, event: LocationEvent) -> None:
        """Section 7.3."""
        if self._is_ignored(event):
            return
        properties = {**event.base, DPS_ID_FIELD: dps_id}
        with self._failure_told("updated", properties):
            body = await self._body(event.internal_location_id, dps_id)
            try:
                await self._calls.update(body)
            except Conflict as conflict:
                if conflict.error_code not in FROZEN_IN_DPS:
                    raise
                self._tell("locations-updated-synchronisation-skipped-deactivated", properties)
                return
        self._tell("locations-updated-synchronisation-success", properties)

    async def _delete(self, dps_id: str, event: LocationEvent) -> None:
        """Section 7.4. A mapping that cannot be deleted stays, and somebody has to delete it by hand."""
        properties = {**event.base, DPS_ID_FIELD: dps_id}
        with self._failure_told("deleted", properties):
            await self._calls.delete(dps_id)
        self._tell("locations-deleted-synchronisation-success", properties)
        try:
            await self._calls.delete_mapping(dps_id)
        except ServiceError as error:
            # redelivered, the message would find no location in DPS any more
            self._tell("locations-deleted-mapping-failed", {DPS_ID_FIELD: dps_id, "exception": told(error)})
        else:
            self._tell("locations-deleted-mapping-success", {DPS_ID_FIELD: dps_id})

    async def _body(self, location_id: int, dps_id: str | None) -> UpsertLocation:
        """The location as NOMIS has it now. Raises `HandlerError` for a parent without mapping or an unknown type."""
        location = await self._calls.read(location_id)
        parent_id, parent = location.parent_location_id, None
        if parent_id is not None:
            parent = await self._calls.find_mapping(parent_id)
            if parent is None:
                raise HandlerError(
                    f"No mapping found for parent NOMIS location {parent_id} syncing NOMIS location {location_id}, "
                    f"{location.description}"
                )
        try:
            return to_upsert(location, dps_id, parent.dps_location_id if parent else None)
        except Rejected as rejection:
            raise HandlerError(f"Unknown location type {rejection.details.get('code')}") from None

    def _is_ignored(self, event: LocationEvent) -> bool:
        if event.prison_id not in IGNORED_PRISONS:
            return False
        self._tell("locations-synchronisation-skipped-ignored-prison", event.base)
        return True

    @contextmanager
    def _failure_told(self, what: str, properties: Mapping[str, object]) -> Generator[None]:
        try:
            yield
        except Redeliver:
            raise  # another process is at it: nothing has failed
        except Exception as error:
            self._tell(f"locations-{what}-synchronisation-failed", {**properties, "exception": told(error)})
            raise

    def _tell(self, name: str, properties: Mapping[str, object]) -> None:
        self._context.telemetry.event(name, properties)


class LocationsSynchronisation(Synchronisation):
    """NOMIS's events of locations, and our own mapping retries."""

    queue = QUEUE
    switch_domain = "locations"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = LocationWork(context)

    @on("AGENCY_INTERNAL_LOCATIONS-UPDATED", key=lambda event: event.internal_location_id)
    async def location_changed(self, event: LocationEvent) -> None:
        """Section 7.1: inserts, updates and deletes alike."""
        if event.is_from_dps and not event.is_new_vsip_room:
            self._skip(event)
        else:
            await self._work.change(event)

    @on("AGY_INT_LOC_PROFILES-UPDATED", key=lambda event: event.internal_location_id)
    async def profile_changed(self, event: LocationEvent) -> None:
        """Section 7.2: `recordDeleted` speaks of the profile."""
        if event.is_from_dps:
            self._skip(event)
        else:
            await self._work.change_profile(event)

    @on("INT_LOC_USAGE_LOCATIONS-UPDATED", key=lambda event: event.internal_location_id)
    async def usage_changed(self, event: LocationEvent) -> None:
        """Section 7.2: `recordDeleted` speaks of the usage."""
        if event.is_from_dps:
            self._skip(event)
        else:
            await self._work.change_usage(event)

    @on_internal(RETRY, key=lambda mapping: mapping.nomis_location_id)
    async def retry_mapping(self, mapping: LocationMapping, delivery: Delivery) -> None:
        """Section 7.5."""
        await self._work.retry_mapping(mapping, delivery.telemetry_attributes)

    def _skip(self, event: LocationEvent) -> None:
        self.context.telemetry.event("locations-synchronisation-skipped", event.base)


def _of_dps_id(body: UpsertLocation, dps_id: str) -> UpsertLocation:
    return UpsertLocation.model_validate({**body.model_dump(), "id": dps_id})
