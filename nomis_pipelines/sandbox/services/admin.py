"""The sandbox's own port: counts, faults, what is stored, how the stores agree, and changes to NOMIS's data."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from nomis_pipelines.sandbox.answers import (
    NO_CONTENT,
    Answer,
    Refusal,
    bad_argument,
    bad_request,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.data.visits import KNOWN_OUTCOMES
from nomis_pipelines.sandbox.faults import FAULT, ActiveFault, Fault
from nomis_pipelines.sandbox.reading import Query, page_of, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services.admin_activities import add_activities
from nomis_pipelines.sandbox.services.admin_adjustments import add_adjustments
from nomis_pipelines.sandbox.services.admin_alerts import add_alerts
from nomis_pipelines.sandbox.services.admin_case_notes import add_case_notes
from nomis_pipelines.sandbox.services.admin_courts import add_courts
from nomis_pipelines.sandbox.services.admin_csip import add_csip
from nomis_pipelines.sandbox.services.admin_incidents import add_incidents
from nomis_pipelines.sandbox.services.admin_locations import add_locations
from nomis_pipelines.sandbox.services.admin_records import add_records
from nomis_pipelines.sandbox.services.visit_scheduler import SchedulerRules
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.stores.mappings import MappingTable
from nomis_pipelines.sandbox.stores.scheduler import reference_of
from nomis_pipelines.sandbox.tokens import CLIENTS, TokenIssuer

Reset = Literal["all", "data", "counts", "faults"]


class Steering(Protocol):
    """What the admin port may do to the whole sandbox."""

    def status(self) -> dict[str, Any]: ...
    def counts(self) -> dict[str, Any]: ...
    def set_fault(self, fault: Fault) -> ActiveFault: ...
    def faults(self) -> list[ActiveFault]: ...
    def clear_faults(self, fault_id: int | None = None) -> int: ...
    def reset(self, what: Reset) -> None: ...
    def agreement(self) -> dict[str, Any]: ...


class NewVisit(BaseModel):
    """A visit to add to NOMIS: alike to another, but for some fields."""

    model_config = ConfigDict(extra="forbid")

    like: int = Field(ge=1)
    fields: dict[str, Any] = {}


class Cancellation(BaseModel):
    """How a visit is cancelled in NOMIS."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = "VISCANC"
    user: str = "AB_GEN"


class SandboxSettings(BaseModel):
    """What can be changed while the sandbox runs."""

    model_config = ConfigDict(extra="forbid")

    token_seconds: float | None = Field(None, gt=0)
    refused_after_days: int | None = Field(None, ge=0)


_NEW_VISIT = TypeAdapter(NewVisit)
_CANCELLATION = TypeAdapter(Cancellation)
_SETTINGS = TypeAdapter(SandboxSettings)


def build(steering: Steering, stores: Stores, issuer: TokenIssuer, rules: SchedulerRules) -> Router:
    """The routing table of the admin port."""
    router = Router()
    router.add("GET", "/status", lambda _: json_answer(steering.status()))
    router.add("GET", "/counts", lambda _: json_answer(steering.counts()))
    router.add("GET", "/agreement", lambda _: json_answer(steering.agreement()))

    def reset(request: Request) -> Answer:
        what = next(iter(Query(request).codes("what", ("all", "data", "counts", "faults"))), "all")
        steering.reset(TypeAdapter(Reset).validate_python(what))
        return NO_CONTENT

    def change_settings(request: Request) -> Answer:
        change = read_body(_SETTINGS, request)
        issuer.seconds = change.token_seconds or issuer.seconds
        if change.refused_after_days is not None:
            rules.refused_after_days = change.refused_after_days
        return json_answer({"token_seconds": issuer.seconds, "refused_after_days": rules.refused_after_days})

    def give_token(request: Request) -> Answer:
        query = Query(request)
        name = next(iter(query.texts("client")), "operator")
        if name not in CLIENTS:
            raise Refusal(bad_argument(f"client: must be one of {', '.join(CLIENTS)}"))
        username = next(iter(query.texts("username")), None)
        seconds = float(query.integer("seconds", int(issuer.seconds), least=1))
        token = issuer.issue(CLIENTS[name], issuer="sandbox/auth/issuer", seconds=seconds, username=username)
        return Answer(200, token.encode(), b"text/plain")

    router.add("POST", "/reset", reset)
    router.add("PUT", "/settings", change_settings)
    router.add("GET", "/token", give_token)
    _add_faults(router, steering)
    _add_dumps(router, stores)
    _add_changes(router, stores)
    add_adjustments(router, stores)
    add_alerts(router, stores)
    add_locations(router, stores)
    add_records(router, stores)
    add_activities(router, stores)
    add_courts(router, stores)
    add_incidents(router, stores.nomis_incidents)
    add_csip(router, stores)
    add_case_notes(router, stores)
    return router


def _add_faults(router: Router, steering: Steering) -> None:
    def set_fault(request: Request) -> Answer:
        try:
            fault = FAULT.validate_json(request.body)
        except ValidationError as problem:
            reasons = [f"{item['loc']}: {item['msg']}" for item in problem.errors(include_url=False)]
            raise Refusal(bad_request("; ".join(reasons))) from None
        return json_answer(steering.set_fault(fault).as_json(), 201)

    def clear_one(request: Request) -> Answer:
        number = path_integer("id", request.parameters[0])
        return NO_CONTENT if steering.clear_faults(number) else not_found(f"fault {number}")

    def clear_all(_request: Request) -> Answer:
        steering.clear_faults()
        return NO_CONTENT

    router.add("POST", "/faults", set_fault)
    router.add("GET", "/faults", lambda _: json_answer([fault.as_json() for fault in steering.faults()]))
    router.add("DELETE", "/faults", clear_all)
    router.add("DELETE", "/faults/{id}", clear_one)


def _add_dumps(router: Router, stores: Stores) -> None:
    scheduled = stores.scheduled

    def visit_row(serial: int) -> dict[str, Any]:
        return {
            "reference": reference_of(serial),
            "nomisId": scheduled.nomis_id(serial),
            "cancelled": scheduled.cancelled(serial),
        }

    def visit(request: Request) -> Answer:
        serial = scheduled.serial(request.parameters[0])
        if serial is None:
            return not_found(f"visit {request.parameters[0]}")
        return json_answer(visit_row(serial) | {"body": from_json(scheduled.body(serial))})

    def duplicates(_request: Request) -> Answer:
        rows = [{"nomisId": number, "references": names} for number, names in scheduled.duplicates()]
        return json_answer(rows)

    def pairs(table: MappingTable[Any]) -> Callable[[Request], Answer]:
        def dump(request: Request) -> Answer:
            rows: Sequence[Any] = [{"nomisKey": key, **pair._asdict()} for key, pair in table.items()]
            return page_of(request, len(rows), rows.__getitem__)

        return dump

    router.add("GET", "/visits", lambda request: page_of(request, len(scheduled), visit_row))
    router.add("GET", "/visits/duplicates", duplicates)
    router.add("GET", "/visits/{reference}", visit)
    router.add("GET", "/mappings/visits", pairs(stores.visit_mappings))
    router.add("GET", "/mappings/adjustments", pairs(stores.adjustment_mappings))
    router.add("GET", "/mappings/locations", pairs(stores.location_mappings))


def _add_changes(router: Router, stores: Stores) -> None:
    visits = stores.nomis_visits

    def existing(request: Request) -> int:
        number = path_integer("visitId", request.parameters[0])
        if visits.get(number) is None:
            raise Refusal(not_found(f"visit {number}"))
        return number

    def add(request: Request) -> Answer:
        new = read_body(_NEW_VISIT, request)
        if not visits.data.exists(new.like):
            raise Refusal(bad_request(f"like: there is no generated visit {new.like}"))
        return json_answer(visits.add(new.like, new.fields), 201)

    def cancel(request: Request) -> Answer:
        how = read_body(_CANCELLATION, request)
        if how.outcome not in KNOWN_OUTCOMES:
            raise Refusal(bad_request(f"outcome: must be one of {', '.join(KNOWN_OUTCOMES)}"))
        return json_answer(visits.cancel(existing(request), how.outcome, how.user))

    def remove(request: Request) -> Answer:
        visits.remove(existing(request))
        return NO_CONTENT

    router.add("POST", "/nomis/visits", add)
    router.add("POST", "/nomis/visits/{visitId}/cancel", cancel)
    router.add("DELETE", "/nomis/visits/{visitId}", remove)
