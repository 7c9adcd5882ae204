"""Appointments: one prisoner in one room at one time; migrated into the activities and appointments service."""

from nomis_pipelines.domains.appointments.migration import AppointmentsMigration
from nomis_pipelines.domains.declaration import Domain, Endpoints

APPOINTMENTS = Domain(
    name="appointments",
    title="Appointments",
    migration=AppointmentsMigration,
    # no `delete_surplus`: the service deletes all that was migrated from a date on, or nothing (section 9)
    endpoints=Endpoints(today="appointments", in_2024="appointments", role_2024="ROLE_MIGRATE_APPOINTMENTS"),
)
