"""The alerts service, as far as synchronisation and migration see it (alerts card, section 4)."""

from typing import Any

from pydantic import BaseModel, TypeAdapter

from nomis_pipelines.contracts.alerts import CreateAlert, MigrateAlert, ResyncAlert, UpdateAlert
from nomis_pipelines.sandbox.answers import (
    NO_CONTENT,
    OK,
    Answer,
    Refusal,
    bad_argument,
    bad_request,
    error,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.data.alerts import CODES, is_active
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.reading import check_length, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.dps_alerts import DpsAlerts
from nomis_pipelines.sandbox.stores.nomis_alerts import NomisAlerts
from nomis_pipelines.sandbox.tokens import ALERTS_RESYNC_ROLES, ALERTS_ROLES

_CREATE = TypeAdapter(CreateAlert)
_UPDATE = TypeAdapter(UpdateAlert)
_MIGRATE = TypeAdapter(list[MigrateAlert])
_RESYNC = TypeAdapter(list[ResyncAlert])
_SOURCES = frozenset({b"", b"DPS", b"NOMIS"})


def build(alerts: DpsAlerts, nomis: NomisAlerts, world: World) -> Router:
    """The routing table of the alerts service."""
    router = Router()
    add_health(router)
    _add_sets(router, alerts)
    _add_single(router, alerts, nomis, world)
    return router


def _add_sets(router: Router, alerts: DpsAlerts) -> None:
    def made(prisoner: str, bodies: list[MigrateAlert] | list[ResyncAlert]) -> Answer:
        for body in bodies:
            _check(body.alert_code, body.description, body.authorised_by)
        return json_answer(
            [
                {
                    "offenderBookId": body.offender_book_id,
                    "alertSeq": body.alert_seq,
                    "alertUuid": alerts.add(prisoner, _json(body), (body.offender_book_id, body.alert_seq)),
                }
                | ({"bookingSeq": body.booking_seq} if isinstance(body, MigrateAlert) else {})
                for body in bodies
            ],
            201,
        )

    def migrate(request: Request) -> Answer:
        return made(request.parameters[0], read_body(_MIGRATE, request))

    def resynchronise(request: Request) -> Answer:
        prisoner, bodies = request.parameters[0], read_body(_RESYNC, request)
        for body in bodies:
            _check(body.alert_code, body.description, body.authorised_by)
        for dps_id in alerts.of_prisoner(prisoner):
            alerts.delete(dps_id)
        return made(prisoner, bodies)

    router.add("POST", "/migrate/{prisonNumber}/alerts", migrate, roles=ALERTS_RESYNC_ROLES)
    router.add("POST", "/resync/{prisonNumber}/alerts", resynchronise, roles=ALERTS_RESYNC_ROLES)


def _add_single(router: Router, alerts: DpsAlerts, nomis: NomisAlerts, world: World) -> None:
    def existing(request: Request) -> tuple[str, dict[str, Any]]:
        dps_id = request.parameters[0]
        body = alerts.body(dps_id)
        if body is None:
            raise Refusal(not_found(f"Alert not found with identifier {dps_id}"))
        return dps_id, body

    def active_twin(prisoner: str, code: str) -> bool:
        bodies = [body for dps_id in alerts.of_prisoner(prisoner) if (body := alerts.body(dps_id)) is not None]
        today = world.london_today()
        return any(body["alertCode"] == code and is_active(body.get("activeTo"), today) for body in bodies)

    def create(request: Request) -> Answer:
        _require_user(request)
        prisoner, body = request.parameters[0], read_body(_CREATE, request)
        _check(body.alert_code, body.description, body.authorised_by)
        if not CODES[body.alert_code].in_use:
            raise Refusal(bad_request(f"Alert code is inactive: {body.alert_code}"))
        if active_twin(prisoner, body.alert_code):
            return error(409, "Duplicate failure", f"Alert already exists for {prisoner} with code {body.alert_code}")
        sent = _json(body)
        origin = nomis.find(prisoner, body.alert_code, sent.get("activeFrom"), body.description)
        return json_answer({"alertUuid": alerts.add(prisoner, sent, origin), "prisonNumber": prisoner, **sent}, 201)

    def update(request: Request) -> Answer:
        _require_user(request)
        dps_id, body = existing(request)
        change = read_body(_UPDATE, request)
        _check(body["alertCode"], change.description, change.authorised_by)
        body.pop("activeTo", None)  # the one field that is cleared when it is not given
        alerts.update(dps_id, body | _json(change))
        return OK

    def delete(request: Request) -> Answer:
        _require_source(request)
        dps_id, _ = existing(request)
        alerts.delete(dps_id)
        return NO_CONTENT

    router.add("POST", "/prisoners/{prisonNumber}/alerts", create, roles=ALERTS_ROLES)
    router.add("PUT", "/alerts/{alertUuid}", update, roles=ALERTS_ROLES)
    router.add("DELETE", "/alerts/{alertUuid}", delete, roles=ALERTS_ROLES)


def _json(body: BaseModel) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def _require_source(request: Request) -> None:
    if request.source not in _SOURCES:
        raise Refusal(bad_argument("Source header must be one of DPS, NOMIS"))


def _require_user(request: Request) -> None:
    _require_source(request)
    if request.source == b"NOMIS" and not 1 <= len(request.username) <= 32:
        raise Refusal(bad_request("Username header is needed, with 1 to 32 characters"))


def _check(code: str, description: str | None, authorised_by: str | None) -> None:
    check_length("description", description, 4000)
    check_length("authorisedBy", authorised_by, 40)
    if code not in CODES:
        raise Refusal(bad_request(f"Alert code not found: {code}"))
