"""Activities: jobs, classes and other sessions of a prison, migrated into the activities service (activities card)."""

from nomis_pipelines.domains.activities.actions import END, MOVE_START_DATES
from nomis_pipelines.domains.activities.migration import ActivitiesMigration
from nomis_pipelines.domains.declaration import Domain, Endpoints

ACTIVITIES = Domain(
    name="activities",
    title="Activities",
    migration=ActivitiesMigration,
    actions=(END, MOVE_START_DATES),
    endpoints=Endpoints(today="activities", in_2024="activities", role_2024="ROLE_MIGRATE_ACTIVITIES"),
)
