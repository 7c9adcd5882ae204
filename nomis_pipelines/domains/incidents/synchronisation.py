"""The events of incidents (incidents card, section 7).

Whatever is told of one incident goes one after another: every event sends the whole incident again, and DPS refuses
some of those that come together (section 9). Between two consumers the claim of the ledger keeps creates apart; a
create is safe to send again, since DPS makes no second report of an incident but names the one it has.
"""

from collections.abc import Mapping
from typing import Any

from nomis_pipelines.contracts.nomis_mapping_service import IncidentMapping
from nomis_pipelines.contracts.nomis_prisoner import IncidentCase
from nomis_pipelines.domains.incidents.clients import (
    DPS_ID_FIELD,
    IncidentCalls,
    duplicate_told,
    ledger_key,
)
from nomis_pipelines.domains.incidents.transform import to_upsert
from nomis_pipelines.http import Conflict, NotFound, ServiceError
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Created,
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
from nomis_pipelines.synchronisation.failures import told

QUEUE = "eventincidents"
RETRY = "RETRY_SYNCHRONISATION_MAPPING"
FROM_DPS = "DPS_SYNCHRONISATION"
PREFIX = "incidents-synchronisation"


class IncidentEvent(EventBody):
    """An incident or something that belongs to it was made, changed or deleted."""

    incident_case_id: int
    audit_module_name: str | None = None

    @property
    def is_from_dps(self) -> bool:
        """Whether DPS made the change."""
        return (self.audit_module_name or "").startswith(FROM_DPS)


class IncidentWork:
    """Insert, update and delete, for whatever asks for them.

    With `override_agency` the agency switch is not asked: an operator wants it done whoever is in charge (section 8.1).
    """

    def __init__(self, context: SyncContext, *, override_agency: bool = False) -> None:
        self._context = context
        self._calls = IncidentCalls(context.clients)
        self._override_agency = override_agency

    async def insert(self, incident_id: int) -> None:
        """Section 7.1 from step 2 on. An incident that is mapped already is left as it is."""
        incident = await self._calls.read(incident_id)
        if await self._is_in_other_hands(incident):
            return
        if await self._calls.find_mapping(incident_id) is not None:
            self._tell("created-ignored", incident_id)
            return
        creation = _Creation(self._context, self._calls, incident)
        result = await creation.once()
        if isinstance(result, AlreadyMapped):
            # another process made it since we looked
            self._tell("created-ignored", incident_id)
            return
        properties = {**_base(incident_id), DPS_ID_FIELD: result.dps_id}
        initial_failure = False
        if isinstance(result, Duplicate):
            self._context.telemetry.event(
                f"{PREFIX}-nomis-duplicate", duplicate_told(result.duplicate, result.existing)
            )
        elif result.mapping_failed:
            initial_failure = True
            await self._context.queues.send_internal(
                QUEUE, RETRY, result.mapping, {name: str(value) for name, value in properties.items()}
            )
        if creation.recovered:
            self._context.telemetry.event(f"{PREFIX}-created-conflict-recovered", properties)
            return
        if initial_failure:
            properties["mapping"] = "initial-failure"
        self._context.telemetry.event(f"{PREFIX}-created-success", properties)

    async def update(self, incident_id: int) -> None:
        """Section 7.2 from step 2 on. Raises `HandlerError` where NOMIS or the mapping service do not know it."""
        try:
            incident = await self._calls.read(incident_id)
        except NotFound:
            incident = None
        if incident is None:
            self._tell("updated-failed", incident_id)
            raise HandlerError(f"Received UPDATED event for incident that does not exist in Nomis: {incident_id}")
        await self._send(incident, "UPDATED", "updated")

    async def delete_child(self, incident_id: int) -> None:
        """Section 7.3 from step 2 on: when the incident has gone as well, its own event sees to that."""
        try:
            incident = await self._calls.read(incident_id)
        except NotFound:
            self._tell("deleted-child-failed", incident_id)
            return
        await self._send(incident, "DELETED", "deleted-child")

    async def delete(self, incident_id: int) -> None:
        """Section 7.4 from step 2 on, whoever is in charge at the agency.

        Raises `HandlerError` while a create is not settled: ignored then, the report would stay in DPS for ever.
        """
        mapping = await self._calls.find_mapping(incident_id)
        if mapping is None:
            await require_settled(self._context, ledger_key(incident_id))
            self._tell("deleted-ignored", incident_id)
            return
        await self._calls.delete(mapping.dps_incident_id)
        await self._calls.delete_mapping(mapping.dps_incident_id)
        self._tell("deleted-success", incident_id, mapping.dps_incident_id)

    async def retry_mapping(self, mapping: IncidentMapping, properties: Mapping[str, str]) -> None:
        """Section 7.5: only the mapping is posted. Another pair in its place counts as success here."""
        await complete_mapping(
            self._context,
            ledger_key(mapping.nomis_incident_id),
            mapping.model_dump(by_alias=True, exclude_none=True),
            post_mapping=self._calls.post_mapping,
            dps_field=DPS_ID_FIELD,
        )
        self._context.telemetry.event(f"{PREFIX}-mapping-created-success", properties)

    async def _send(self, incident: IncidentCase, event: str, what: str) -> None:
        """Sections 7.2 and 7.3 from step 3 on: the whole incident over the report that DPS has."""
        incident_id = incident.incident_id
        if await self._is_in_other_hands(incident):
            return
        mapping = await self._calls.find_mapping(incident_id)
        if mapping is None:
            self._tell(f"{what}-failed", incident_id)
            raise HandlerError(
                f"Received {event} event for incident that does not exist in mapping table: {incident_id}"
            )
        await self._calls.upsert(to_upsert(incident, mapping.dps_incident_id))
        self._tell(f"{what}-success", incident_id, mapping.dps_incident_id)

    async def _is_in_other_hands(self, incident: IncidentCase) -> bool:
        """The agency rule, or its being overridden (sections 7.1, steps 3 and 4)."""
        if self._override_agency:
            self._tell("agency-overridden", incident.incident_id)
            return False
        if not await self._calls.is_dps_in_charge(incident.agency.code):
            return False
        self._context.telemetry.event(
            f"{PREFIX}-agency-skipped", {**_base(incident.incident_id), "location": incident.agency.code}
        )
        return True

    def _tell(self, what: str, incident_id: int, dps_id: str | None = None) -> None:
        told_of_dps = {} if dps_id is None else {DPS_ID_FIELD: dps_id}
        self._context.telemetry.event(f"{PREFIX}-{what}", {**_base(incident_id), **told_of_dps})


class _Creation:
    """Steps 6, C and F of section 7.1: one incident to be made in DPS. `recovered` tells that DPS had it already."""

    def __init__(self, context: SyncContext, calls: IncidentCalls, incident: IncidentCase) -> None:
        self._context = context
        self._calls = calls
        self._incident = incident
        self.recovered = False

    async def once(self) -> Created | Duplicate | AlreadyMapped[IncidentMapping]:
        """Make it, or find out that it is there. Raises what DPS answers otherwise."""
        incident_id = self._incident.incident_id
        result = await create_once(
            self._context,
            Create(
                key=ledger_key(incident_id),
                client=self._calls.dps,
                find_mapping=lambda: self._calls.find_mapping(incident_id),
                write=self._write,
                dps_id_of=str,
                mapping_of=self._mapping_of,
                post_mapping=self._calls.post_mapping,
                dps_field=DPS_ID_FIELD,
                idempotent=True,
            ),
        )
        if isinstance(result, Created) and result.resumed:
            # made by an attempt that died: NOMIS may have changed since
            await self._upsert(result.dps_id)
        return result

    async def _write(self) -> str:
        try:
            return await self._upsert(None)
        except Conflict as conflict:
            self._tell_error("conflict", conflict)
            self.recovered = True
        return await self._calls.find_report(self._incident.incident_id)

    async def _upsert(self, dps_id: str | None) -> str:
        try:
            return await self._calls.upsert(to_upsert(self._incident, dps_id))
        except ServiceError as error:
            if dps_id is not None or not isinstance(error, Conflict):
                self._tell_error("failed", error)
            raise

    def _mapping_of(self, dps_id: str) -> dict[str, Any]:
        return {
            "nomisIncidentId": self._incident.incident_id,
            "dpsIncidentId": dps_id,
            "mappingType": "NOMIS_CREATED",
        }

    def _tell_error(self, what: str, error: ServiceError) -> None:
        self._context.telemetry.event(
            f"{PREFIX}-created-{what}", {**_base(self._incident.incident_id), "reason": told(error)}
        )


class IncidentsSynchronisation(Synchronisation):
    """NOMIS's events of incidents, and our own mapping retries."""

    queue = QUEUE
    switch_domain = "incidents"

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = IncidentWork(context)

    @on("INCIDENT-INSERTED", key=lambda event: event.incident_case_id)
    async def inserted(self, event: IncidentEvent) -> None:
        """Section 7.1."""
        if not self._skips(event, "skipped"):
            await self._work.insert(event.incident_case_id)

    @on(
        "INCIDENT-CHANGED-CASES",
        "INCIDENT-CHANGED-PARTIES",
        "INCIDENT-CHANGED-RESPONSES",
        "INCIDENT-CHANGED-REQUIREMENTS",
        key=lambda event: event.incident_case_id,
    )
    async def changed(self, event: IncidentEvent) -> None:
        """Section 7.2."""
        if not self._skips(event, "skipped"):
            await self._work.update(event.incident_case_id)

    @on(
        "INCIDENT-DELETED-PARTIES",
        "INCIDENT-DELETED-RESPONSES",
        "INCIDENT-DELETED-REQUIREMENTS",
        key=lambda event: event.incident_case_id,
    )
    async def child_deleted(self, event: IncidentEvent) -> None:
        """Section 7.3."""
        if not self._skips(event, "skipped"):
            await self._work.delete_child(event.incident_case_id)

    @on("INCIDENT-DELETED-CASES", key=lambda event: event.incident_case_id)
    async def deleted(self, event: IncidentEvent) -> None:
        """Section 7.4, whose skip event has a name of its own."""
        if not self._skips(event, "deleted-skipped"):
            await self._work.delete(event.incident_case_id)

    @on_internal(RETRY, key=lambda mapping: mapping.nomis_incident_id)
    async def retry_mapping(self, mapping: IncidentMapping, delivery: Delivery) -> None:
        """Section 7.5."""
        await self._work.retry_mapping(mapping, delivery.telemetry_attributes)

    def _skips(self, event: IncidentEvent, what: str) -> bool:
        if event.is_from_dps:
            self.context.telemetry.event(f"{PREFIX}-{what}", _base(event.incident_case_id))
        return event.is_from_dps


def _base(incident_id: int) -> dict[str, object]:
    return {"nomisIncidentId": incident_id}
