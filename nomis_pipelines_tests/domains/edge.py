"""Whole migrations of a domain at the HTTP edge: a real ledger, and services that respx plays."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx
import respx

from nomis_pipelines.ledger import Ledger
from nomis_pipelines.platform import Platform
from nomis_pipelines_tests import world
from nomis_pipelines_tests.fake_services import RecordingAudit
from nomis_pipelines_tests.recording import RecordingTelemetry

NEXT_CALL = datetime(2026, 9, 28, 8, 15, 30, tzinfo=UTC)
"""When migrations start: the moment of the worked examples, 09:15:30 in London."""
MIGRATION_ID = "2026-09-28T09:15:30"


@dataclass(frozen=True, kw_only=True)
class EdgePlatform(Platform):
    """A platform whose clock stands still, and that remembers what it told."""

    telemetry: RecordingTelemetry
    audit: RecordingAudit
    standing: dict[str, date] = field(default_factory=lambda: {"today": date(2026, 9, 28)})

    def today(self) -> date:
        return self.standing["today"]

    @staticmethod
    def now() -> datetime:
        return NEXT_CALL


@asynccontextmanager
async def edge(ledger_url: str, **changes: str) -> AsyncGenerator[EdgePlatform]:
    """A platform over httpx, with a real ledger, while respx listens. Every call is tried once."""
    settings = world.settings(DATABASE_URL=ledger_url, NOMIS_PIPELINES_HTTP_ATTEMPTS="1", **changes)
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        for service in (world.NOMIS, world.MAPPING, world.ACTIVITIES, world.ADJUDICATIONS, world.INCIDENTS, world.CSIP):
            respx.get(f"{service}/health/ping").respond(json={"status": "UP"})
        async with await Ledger.open(ledger_url) as ledger, world.clients(settings) as clients:
            yield EdgePlatform(
                settings=settings,
                clients=clients,
                ledger=ledger,
                telemetry=RecordingTelemetry(),
                audit=RecordingAudit(),
            )


def page(*rows: dict[str, Any], total: int | None = None) -> httpx.Response:
    """One page of ids."""
    return httpx.Response(200, json={"content": list(rows), "totalElements": len(rows) if total is None else total})


def calls() -> list[str]:
    """What was called so far, without tokens and pings, as `GET nomis /path?query`."""
    found: list[str] = []
    for call in respx.calls:
        url = call.request.url
        if url.host != "auth.test" and url.path != "/health/ping":
            query = f"?{url.query.decode()}" if url.query else ""
            found.append(
                f"{call.request.method} {url.host.split('.')[0]} {url.raw_path.decode().partition('?')[0]}{query}"
            )
    return found


def bodies(route: respx.Route) -> Sequence[Any]:
    """What a route was sent."""
    return [json.loads(call.request.content) for call in route.calls]
