"""Every domain, one folder each. A new one is a folder and a line here."""

from collections.abc import Sequence

from nomis_pipelines.domains.activities import ACTIVITIES
from nomis_pipelines.domains.adjudications import ADJUDICATIONS
from nomis_pipelines.domains.alerts import ALERTS
from nomis_pipelines.domains.allocations import ALLOCATIONS
from nomis_pipelines.domains.appointments import APPOINTMENTS
from nomis_pipelines.domains.case_notes import CASE_NOTES
from nomis_pipelines.domains.court_sentencing import COURT_SENTENCING
from nomis_pipelines.domains.csip import CSIP
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.domains.incidents import INCIDENTS
from nomis_pipelines.domains.locations import LOCATIONS
from nomis_pipelines.domains.sentencing_adjustments import SENTENCING_ADJUSTMENTS
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.synchronisation import Synchronisation

DOMAINS: tuple[Domain, ...] = (
    VISITS,
    SENTENCING_ADJUSTMENTS,
    ALERTS,
    LOCATIONS,
    ACTIVITIES,
    ALLOCATIONS,
    APPOINTMENTS,
    ADJUDICATIONS,
    COURT_SENTENCING,
    INCIDENTS,
    CSIP,
    CASE_NOTES,
)


class UnknownDomain(LookupError):
    """No domain has this name. The message lists those there are."""


def domain(name: str) -> Domain:
    """The domain called `name` (hyphens and underscores alike). Raises `UnknownDomain`."""
    for candidate in DOMAINS:
        if candidate.name == name.replace("-", "_"):
            return candidate
    raise UnknownDomain(f"{name!r} is not a domain; there are: {', '.join(d.name for d in DOMAINS)}")


def consumers_of(wanted: Domain, domains: Sequence[Domain] = DOMAINS) -> dict[str, tuple[type[Synchronisation], ...]]:
    """Queue id -> the handler classes, of all domains, that its consumer serves, for the queues `wanted` consumes.

    A queue may carry messages for several domains; it is consumed by the first domain that names it as its own queue,
    else by the first that handles anything on it.
    """
    owners: dict[str, Domain] = {}
    for first_only in (True, False):
        for candidate in domains:
            for queue in candidate.queues[:1] if first_only else candidate.queues:
                owners.setdefault(queue, candidate)
    return {
        queue: tuple(declared for other in domains for declared in other.synchronisation if declared.queue == queue)
        for queue in wanted.queues
        if owners[queue] is wanted
    }
