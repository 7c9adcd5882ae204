"""`/health` and `/info`: what is asked of whom, by the names that operators' tools know (platform card, 3.10)."""

import shutil
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from nomis_pipelines.api.context import Context
from nomis_pipelines.api.launcher import Launcher
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.http import Wire, WireRequest
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.observability.health import DOWN, UNKNOWN, UP, Check, Component, Health, overall
from nomis_pipelines.platform import Platform
from nomis_pipelines.settings import QueueConfig, Settings
from nomis_pipelines.synchronisation import QueueError, Sqs

COMPONENTS: Mapping[str, str] = {
    "nomis": "nomisApiHealth",
    "mapping": "nomisMappingApi",
    "visits": "visitsApi",
    "sentencing": "sentencingApi",
    "activities": "activitiesApi",
    "adjudications": "adjudicationsApi",
    "agency-registers": "agencyApi",
    "alerts": "alertsApi",
    "case-notes": "caseNotesApi",
    "core-person": "corePersonApi",
    "court-sentencing": "courtSentencingApi",
    "csip": "csipApi",
    "csra": "csraApi",
    "incidents": "incidentsApi",
    "locations": "locationsApi",
    "movements-taps": "tapsApi",
    "official-visits": "officialVisitsApi",
    "organisations": "organisationsApi",
    "personal-relationships": "personalRelationshipsApi",
    "property": "propertyApi",
    "staff": "staffApi",
    "visit-balance": "visitBalanceApi",
}
"""The component of each service; the others have none."""

AUTH_TIMEOUT_SECONDS = 2.0
DISK_THRESHOLD_BYTES = 10_485_760
AUDIT = "audit"


def build_health(
    platform: Platform, domains: Sequence[Domain], *, wire: Wire, sqs: Sqs | None, launcher: Launcher
) -> Health:
    """The checks of every service and queue that the domains use, of the ledger's database and of Dagster."""
    settings = platform.settings
    checks: dict[str, Check] = {"hmppsAuthApiHealth": _auth(settings, wire)}
    services = dict.fromkeys(service for domain in domains for service in domain.migration.services)
    checks |= {COMPONENTS[name]: _service(platform, name) for name in services if name in COMPONENTS}
    checks |= {
        "r2dbc": _database(platform.ledger),
        "dagster": _dagster(launcher),
        "diskSpace": _disk,
        "healthInfo": _constant(version=version("nomis-pipelines")),
        **{name: _constant() for name in ("ping", "livenessState", "readinessState")},
    }
    queues = dict.fromkeys([*(queue for domain in domains for queue in domain.queues), AUDIT])
    if sqs is not None:
        for queue_id in queues:
            if settings.has_queue(queue_id):
                checks[f"{queue_id}-health"] = _queue(sqs, settings.queue(queue_id))
    return Health(checks)


def health_routes(settings: Settings) -> APIRouter:
    """The open endpoints."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="Every component; 503 when one is down", responses={503: {}})
    async def health(context: Context) -> JSONResponse:
        components = await context.health.components()
        status = overall(components)
        shown = {name: component.as_json() for name, component in components.items()}
        return JSONResponse({"status": status, "components": shown}, 200 if status == UP else 503)

    for name in ("ping", "liveness", "readiness"):
        router.add_api_route(f"/health/{name}", _up, methods=["GET"], operation_id=name, summary="Whether we answer")

    @router.get("/info", summary="What runs here")
    async def info() -> dict[str, Any]:
        return {
            "build": {
                "name": "nomis-pipelines",
                "artifact": "nomis-pipelines",
                "version": version("nomis-pipelines"),
            },
            "app": {"name": "nomis-pipelines", "description": "Moves prisoner data from NOMIS into the DPS services"},
            "productId": settings.product_id,
            "event-feature-switches": settings.event_switches,
        }

    return router


async def _up() -> dict[str, str]:
    return {"status": UP}


def _auth(settings: Settings, wire: Wire) -> Check:
    async def check() -> Component:
        request = WireRequest("GET", f"{settings.auth_url}/health/ping", [], None, AUTH_TIMEOUT_SECONDS)
        return _answered((await wire.send(request)).status)

    return check


def _service(platform: Platform, name: str) -> Check:
    async def check() -> Component:
        return _answered(await platform.clients.client(name).ping())

    return check


def _answered(status: int) -> Component:
    try:
        word = HTTPStatus(status).name
    except ValueError:
        word = str(status)
    return Component(status=UP if 200 <= status < 300 else DOWN, details={"HttpStatus": word})


def _database(ledger: Ledger) -> Check:
    async def check() -> Component:
        await ledger.migration("any query will do")
        return Component(details={"database": "PostgreSQL"})

    return check


def _dagster(launcher: Launcher) -> Check:
    async def check() -> Component:
        # without it nothing can be started, but what runs goes on: no reason to take us out of service
        if await launcher.is_there():
            return Component()
        return Component(status=UNKNOWN, details={"error": "no webserver answers at NOMIS_PIPELINES_DAGSTER_URL"})

    return check


async def _disk() -> Component:
    usage = shutil.disk_usage(".")
    details = {"total": usage.total, "free": usage.free, "threshold": DISK_THRESHOLD_BYTES, "exists": True}
    return Component(status=UP if usage.free >= DISK_THRESHOLD_BYTES else DOWN, details=details)


def _constant(**details: Any) -> Check:
    async def check() -> Component:
        return Component(details=details)

    return check


def _queue(sqs: Sqs, config: QueueConfig) -> Check:
    async def check() -> Component:
        details = {"queueName": config.queue_name}
        try:
            main = await sqs.queue(config.queue_name).attributes()
        except QueueError as error:
            return Component(status=DOWN, details={**details, "error": str(error)})
        details |= {"messagesOnQueue": str(main.visible), "messagesInFlight": str(main.in_flight)}
        if not config.dlq_name and config.queue_id == AUDIT:
            return Component(details=details)  # written only: nothing of it can fail to be handled here
        dlq_name = config.dlq_name or main.dead_letter_name
        details |= {"dlqName": dlq_name, "dlqStatus": DOWN}
        if not main.dead_letter_arn:
            return Component(status=DOWN, details={**details, "error": "the queue has no redrive policy"})
        try:
            dead = await sqs.queue(dlq_name).attributes()
        except QueueError as error:
            return Component(status=DOWN, details={**details, "error": str(error)})
        return Component(details={**details, "dlqStatus": UP, "messagesOnDlq": str(dead.visible)})

    return check
