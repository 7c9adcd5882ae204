"""The migration of appointments, step by step as the appointments card, section 5 has it."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError

from nomis_pipelines.contracts.activities import AppointmentInstance, AppointmentMigrateRequest
from nomis_pipelines.contracts.nomis_mapping_service import AppointmentMapping, DpsLocation
from nomis_pipelines.contracts.nomis_prisoner import Appointment, AppointmentIdPage
from nomis_pipelines.domains.appointments.transform import AppointmentRecord, transform
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.http import Conflict, InvalidAnswer, ServiceClient
from nomis_pipelines.migration.declaration import Ignored, Item, Migration, MigrationContext
from nomis_pipelines.migration.filters import PrisonDateFilter
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.once import Once
from nomis_pipelines.migration.partitions import PrisonByMonth

log = logging.getLogger(__name__)

MAPPINGS = "/mapping/appointments"
MIGRATE = "/migrate-appointment"
DROPPED = "DPS returned null indicating they ignored the appointment"
GRID = PrisonByMonth(
    "2010-01", "prison_ids", "from_date", "to_date",
    whole_days=True, moment="the appointment", months_ahead=12, needs_prison=True,
)  # fmt: skip
AppointmentItem = Item[int, AppointmentRecord, AppointmentMigrateRequest]


class AppointmentsFilter(PrisonDateFilter):
    """Which appointments: prisons, of which NOMIS needs one at least, and days on which they take place, inclusive."""


async def appointment_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[int]:
    """One page of event ids, lowest first (section 3)."""
    answer = await nomis.get("/appointments/ids", AppointmentIdPage, query={**query, "page": page, "size": size})
    return IdPage(ids=[row.event_id for row in answer.content], total=answer.total_elements, size=answer.size)


class AppointmentsMigration(Migration[int, AppointmentRecord, AppointmentMigrateRequest]):
    """Past and future appointments of single prisoners, into the activities and appointments service."""

    name = "appointments"
    migration_type = "APPOINTMENTS"
    telemetry_name = "appointments"
    filter = AppointmentsFilter
    ids = ByPageNumber(appointment_ids)
    partitions = GRID
    services = ("nomis", "mapping", "activities")
    write_service = "activities"
    mapping_path = MAPPINGS
    dps_id_field = "appointmentInstanceId"

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._location = Once(self._find_location)

    def key(self, id: int) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> int:
        return int(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, int]:
        return {"eventId": int(nomis_key)}

    async def find_mapping(self, id: int) -> str | None:
        """Any pair counts, also one of an appointment that was made in DPS and copied to NOMIS (section 9)."""
        path = {"eventId": id}
        mapping = await self.mappings.find(f"{MAPPINGS}/nomis-event-id/{{eventId}}", AppointmentMapping, path=path)
        return str(mapping.appointment_instance_id) if mapping is not None else None

    async def read(self, id: int) -> AppointmentRecord:
        appointment = await self.nomis.get("/appointments/{eventId}", Appointment, path={"eventId": id})
        if appointment.internal_location is None:
            return AppointmentRecord(appointment)
        location = await self._location(appointment.internal_location)
        return AppointmentRecord(appointment, location.dps_location_id if location is not None else None)

    def transform(self, record: AppointmentRecord, today: date) -> AppointmentMigrateRequest:
        return transform(record)

    async def write(self, request: AppointmentMigrateRequest) -> str:
        """An answer without a body says that the service has dropped the appointment: raises `Ignored`."""
        answer = await self.dps.post(MIGRATE, request, str, keep_nulls=True)
        if not answer:
            raise Ignored("dropped-by-dps")
        try:
            return str(AppointmentInstance.model_validate_json(answer).id)
        except ValidationError:
            pass
        # raised out here so that pydantic's error, whose text holds values, is not its context
        raise InvalidAnswer("activities", "POST", MIGRATE, reason="body: not an appointment")

    def mapping(self, id: int, dps_id: str) -> dict[str, Any]:
        return {
            "appointmentInstanceId": int(dps_id),
            "nomisEventId": id,
            "mappingType": "MIGRATED",
            "label": self.migration_id,
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        await self.mappings.post(MAPPINGS, mapping, idempotent=True)

    def partition_of(self, record: AppointmentRecord) -> str | None:
        prison, start = record.appointment.prison_id, record.appointment.start_date_time
        return GRID.key(prison, start) if prison is not None and start is not None else None

    def on_skipped(self, item: AppointmentItem) -> None:
        """No event, but the line that operators' screens count (platform card, section 3.11)."""
        log.info("Will not migrate the appointment since it is migrated already, NOMIS event id is %s", item.id)

    def on_ignored(self, item: AppointmentItem, ignored: Ignored) -> None:
        self.telemetry.event(
            "appointments-migration-entity-ignored",
            {"nomisEventId": item.id, "reason": DROPPED, "migrationId": self.migration_id},
        )

    def on_migrated(self, item: AppointmentItem) -> None:
        self.telemetry.event(
            "appointments-migration-entity-migrated",
            {"nomisEventId": item.id, "appointmentInstanceId": item.dps_id, "migrationId": self.migration_id},
        )

    def on_duplicate(self, item: AppointmentItem, conflict: Conflict, minutes: int) -> None:
        """The one event without the usual prefix (section 5)."""
        fields = ("appointmentInstanceId", "nomisEventId")
        self.telemetry.event(
            "nomis-migration-appointment-duplicate",
            {
                "migrationId": self.migration_id,
                **duplicate_properties(conflict.duplicate, conflict.existing, *fields),
                "durationMinutes": minutes,
            },
        )

    async def _find_location(self, room: int) -> DpsLocation | None:
        return await self.mappings.find(
            "/api/locations/nomis/{nomisLocationId}", DpsLocation, path={"nomisLocationId": room}
        )
