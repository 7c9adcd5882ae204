"""The visit scheduler, as far as a migration sees it (visits card, section 4)."""

from datetime import datetime, time, timedelta

from pydantic import TypeAdapter

from nomis_pipelines.contracts.visit_scheduler import CancelVisitRequest, MigrateVisitRequest
from nomis_pipelines.sandbox.answers import OK, TEXT, Answer, error, not_found
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.reading import read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.scheduler import ScheduledVisits
from nomis_pipelines.sandbox.tokens import SCHEDULER_ROLES

_VISIT = TypeAdapter(MigrateVisitRequest)
_CANCEL = TypeAdapter(CancelVisitRequest)

REFUSED_AFTER_DAYS = 5 * 365


class SchedulerRules:
    """What the scheduler refuses with 422: visits further ahead than `refused_after_days` from today."""

    def __init__(self, world: World, refused_after_days: int = REFUSED_AFTER_DAYS) -> None:
        self._world = world
        self.refused_after_days = refused_after_days

    def too_far(self, start: datetime) -> bool:
        """Whether a visit starts too far ahead to be kept."""
        last = self._world.london_today() + timedelta(days=self.refused_after_days)
        return start > datetime.combine(last, time.max)


def build(visits: ScheduledVisits, rules: SchedulerRules) -> Router:
    """The routing table of the visit scheduler."""
    router = Router()
    add_health(router)

    def migrate(request: Request) -> Answer:
        visit = read_body(_VISIT, request)
        if rules.too_far(visit.start_timestamp):
            return error(422, "Validation failure", "startTimestamp is too far in the future")
        reference = visits.add(request.body, visit.prisoner_id, visit.create_date_time)
        return Answer(201, reference.encode(), TEXT)

    def cancel(request: Request) -> Answer:
        read_body(_CANCEL, request)
        reference = request.parameters[0]
        if not visits.cancel(reference, request.body):
            return not_found(f"Visit {reference} not found")
        return OK

    def one(request: Request) -> Answer:
        serial = visits.serial(request.parameters[0])
        if serial is None:
            return not_found(f"Visit {request.parameters[0]} not found")
        return Answer(200, b'{"reference":"%s",' % request.parameters[0].encode() + visits.body(serial)[1:])

    router.add("POST", "/migrate-visits", migrate, roles=SCHEDULER_ROLES)
    router.add("PUT", "/migrate-visits/{reference}/cancel", cancel, roles=SCHEDULER_ROLES)
    router.add("GET", "/visits/{reference}", one, roles=SCHEDULER_ROLES)
    return router
