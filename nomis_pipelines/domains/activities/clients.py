"""The calls of activities to NOMIS and to the mapping service (activities card, sections 2 and 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from nomis_pipelines.contracts.nomis_mapping_service import ActivityMapping, DpsLocation
from nomis_pipelines.contracts.nomis_prisoner import ActivityIdPage
from nomis_pipelines.http import Rejected, ServiceClient
from nomis_pipelines.migration.ids import FilterRefused, IdPage

MAPPINGS = "/mapping/activities/migration"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ActivityKey:
    """A course activity; whether it is ever held is None when only the ledger named it, and must be read then."""

    id: int
    has_schedule_rules: bool | None = None


async def refusable(nomis: ServiceClient, path: str, answer: type[T], query: Mapping[str, object]) -> T:
    """One page of ids. Raises `FilterRefused` with NOMIS's words when it answers 400 (section 3)."""
    try:
        return await nomis.get(path, answer, query=query)
    except Rejected as refusal:
        if refusal.status == 400:
            said = refusal.user_message
            words = said.get_secret_value() if said is not None else f"Received a 400 calling {path}"
            raise FilterRefused(words) from refusal
        raise


async def activity_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[ActivityKey]:
    """One page of a prison's activities; the filter's dates are no business of NOMIS's."""
    wanted = {name: query[name] for name in ("prisonId", "courseActivityId") if name in query}
    answer = await refusable(nomis, "/activities/ids", ActivityIdPage, {**wanted, "page": page, "size": size})
    ids = [ActivityKey(row.course_activity_id, row.has_schedule_rules) for row in answer.content]
    return IdPage(ids=ids, total=answer.total_elements, size=answer.size)


async def find_mapping(mappings: ServiceClient, activity: int) -> ActivityMapping | None:
    """What became of an activity; without DPS ids it was passed over, None: it was not migrated yet."""
    return await mappings.find(
        f"{MAPPINGS}/nomis-course-activity-id/{{courseActivityId}}",
        ActivityMapping,
        path={"courseActivityId": activity},
    )


async def find_location(mappings: ServiceClient, location: int) -> UUID:
    """The DPS location of a NOMIS one. Raises `NotFound` when it is not mapped."""
    found = await mappings.get(
        "/api/locations/nomis/{nomisLocationId}", DpsLocation, path={"nomisLocationId": location}
    )
    return found.dps_location_id
