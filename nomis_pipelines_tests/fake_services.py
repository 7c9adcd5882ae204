"""NOMIS, mapping service and visit scheduler in memory, behind the wire: every answer of each record can be ordered."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from nomis_pipelines.http import HttpClients, MaybeArrived, WireRequest, WireResponse
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.migration.engine import MigrationEngine
from nomis_pipelines.migration.run import MigrationRun
from nomis_pipelines.observability import Audit
from nomis_pipelines.platform import Platform
from nomis_pipelines_tests import world
from nomis_pipelines_tests.recording import RecordingTelemetry

TODAY = date(2026, 3, 10)

Answer = WireResponse | Exception
Ordered = Answer | Callable[["FakeServices", WireRequest], Awaitable[Answer]]


def json_answer(status: int, body: object) -> WireResponse:
    """An answer with a JSON body."""
    return WireResponse(status, json.dumps(body).encode())


def error(status: int) -> WireResponse:
    """An error as the services write it, with something personal in its text."""
    return json_answer(status, {"status": status, "userMessage": "Mr Secret Person cannot be used"})


def broken() -> MaybeArrived:
    """A connection that broke after the request had gone out."""
    return MaybeArrived("connection lost")


def conflict(existing: Mapping[str, Any] | None, duplicate: Mapping[str, Any] | None = None) -> WireResponse:
    """The 409 of the mapping service (visits card, section 2)."""
    more = {"duplicate": duplicate, "existing": existing}
    return json_answer(409, {"status": "CONFLICT", "errorCode": 1409, "moreInfo": more})


@dataclass
class FakeServices:
    """A wire with behaviour. An operation is one of `count`, `ids`, `lookup`, `read`, `room`, `write`, `record`.

    `order` puts answers before what a record would get: used up one by one, or for ever. An answer that is a function
    may do the work, wait, or change the world first.
    """

    visits: dict[int, dict[str, Any]] = field(default_factory=dict)
    rooms: dict[str, tuple[str, bool]] = field(default_factory=dict)
    mappings: dict[int, dict[str, Any]] = field(default_factory=dict)
    written: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)
    listing: list[int] | None = None
    largest_page: int | None = None
    token: WireResponse = field(default_factory=lambda: json_answer(200, {"access_token": "t", "expires_in": 600}))
    _once: defaultdict[tuple[str, int], list[Ordered]] = field(default_factory=lambda: defaultdict(list))
    _always: dict[tuple[str, int], Ordered] = field(default_factory=dict)

    def add(self, *numbers: int, **fields: Any) -> None:
        """Make visits in NOMIS, in the past unless `fields` say otherwise."""
        for number in numbers:
            self.visits[number] = {**a_visit(number), **fields}

    def order(self, operation: str, number: int, *answers: Ordered, always: bool = False) -> None:
        """Order what an operation on a record answers; number 0 is for `count` and `ids`."""
        if always:
            (self._always[operation, number],) = answers
        else:
            self._once[operation, number] += answers

    def allow(self, operation: str, number: int) -> None:
        """Take the orders for an operation on a record back."""
        self._always.pop((operation, number), None)
        self._once.pop((operation, number), None)

    def called(self, operation: str, number: int | None = None) -> int:
        """How often an operation was called, on one record or at all."""
        return sum(name == operation and number in (None, which) for name, which in self.calls)

    def copies(self, number: int) -> int:
        """How often a visit was written."""
        return sum(body["prisonerId"] == prisoner_of(number) for _, body in self.written)

    async def send(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        await asyncio.sleep(0)
        if request.url.startswith(world.AUTH):
            return self.token
        if request.url.endswith("/health/ping"):
            return WireResponse(200, b"pong")
        operation, number = self._recognise(request)
        self.calls.append((operation, number))
        queue = self._once[operation, number]
        ordered = queue.pop(0) if queue else self._always.get((operation, number))
        if ordered is None:
            return self.work(request)
        answer = await ordered(self, request) if callable(ordered) else ordered
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""

    def work(self, request: WireRequest) -> WireResponse:
        """What the services really do."""
        operation, number = self._recognise(request)
        body = json.loads(request.body) if request.body else {}
        match operation:
            case "count" | "ids":
                return self._page(request)
            case "lookup":
                found = self.mappings.get(number)
                return json_answer(200, found) if found else error(404)
            case "read":
                visit = self.visits.get(number)
                return json_answer(200, visit) if visit else error(404)
            case "room":
                room = self.rooms.get(unquote(urlsplit(request.url).path.rsplit("/", 1)[1]))
                return json_answer(200, {"vsipId": room[0], "isOpen": room[1]}) if room else error(404)
            case "write":
                reference = f"ref-{len(self.written) + 1}"
                self.written.append((reference, body))
                return WireResponse(201, reference.encode())
            case _:
                return self._record(body)

    def _record(self, body: dict[str, Any]) -> WireResponse:
        known = self.mappings.get(body["nomisId"])
        if known is not None and known["vsipId"] != body["vsipId"]:
            return conflict(known, body)
        self.mappings[body["nomisId"]] = {**body, "whenCreated": "2026-03-10T10:00:00"}
        return WireResponse(201, b"")

    def _page(self, request: WireRequest) -> WireResponse:
        query = parse_qs(urlsplit(request.url).query)
        number, size = int(query["page"][0]), int(query["size"][0])
        if self.largest_page is not None:
            size = min(size, self.largest_page)
        ids = sorted(self.visits) if self.listing is None else self.listing
        content = [{"visitId": visit} for visit in ids[number * size : (number + 1) * size]]
        return json_answer(200, {"content": content, "totalElements": len(ids), "size": size, "number": number})

    def _recognise(self, request: WireRequest) -> tuple[str, int]:
        split = urlsplit(request.url)
        path, last = split.path, split.path.rsplit("/", 1)[1]
        if request.url.startswith(world.NOMIS):
            if last == "ids":
                return ("count" if parse_qs(split.query)["size"] == ["1"] else "ids"), 0
            return "read", int(last)
        body = json.loads(request.body) if request.body else {}
        if request.url.startswith(world.VISITS):
            return "write", number_of(body["prisonerId"])
        if path.startswith("/prison/"):
            return "room", 0
        return ("record", int(body["nomisId"])) if body else ("lookup", int(last))


def prisoner_of(number: int) -> str:
    """The prisoner on visit `number`: each has its own, so that what was written can be told apart."""
    return f"A{number:04d}AA"


def number_of(prisoner: str) -> int:
    """The visit of a prisoner."""
    return int(prisoner[1:5])


def a_visit(number: int) -> dict[str, Any]:
    """A past visit at Brixton, with names and notes."""
    return {
        "visitId": number,
        "offenderNo": prisoner_of(number),
        "startDateTime": "2026-03-02T14:00:00",
        "endDateTime": "2026-03-02T16:00:00",
        "prisonId": "BXI",
        "visitors": [{"personId": 880001, "leadVisitor": True}],
        "leadVisitor": {"personId": 880001, "fullName": "Petra Novak", "telephones": ["01632 960111"]},
        "visitType": {"code": "SCON", "description": "Social Contact"},
        "visitStatus": {"code": "NORM", "description": "Normal"},
        "agencyInternalLocation": {"code": "SOC_VIS", "description": "BXI-VISITS-SOC_VIS"},
        "commentText": "Wheelchair access",
        "createUserId": "AB_GEN",
        "whenCreated": "2026-02-20T09:15:30",
    }


FUTURE = {"startDateTime": "2026-03-12T14:00:00", "endDateTime": "2026-03-12T15:00:00"}
"""Fields that put a visit into the future, where it needs a room."""


class RecordingAudit(Audit):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__(world.settings())
        self.sent: list[tuple[str, str, str, str, Mapping[str, object]]] = []

    async def _send(
        self, what: str, migration_type: str, migration_id: str, who: str, more: Mapping[str, object]
    ) -> None:
        self.sent.append((what, migration_type, migration_id, who, more))


@dataclass(frozen=True, kw_only=True)
class FakePlatform(Platform):
    """A platform whose today stands still."""

    telemetry: RecordingTelemetry
    audit: RecordingAudit

    def today(self) -> date:
        return TODAY


@asynccontextmanager
async def platform_on(
    services: FakeServices, database_url: str, *, patience_seconds: float = 10.0, **changes: str
) -> AsyncGenerator[FakePlatform]:
    """A platform over `services` and a real ledger; `changes` are settings by variable name."""
    settings = world.settings(DATABASE_URL=database_url, **changes)
    async with await Ledger.open(database_url, commit_milliseconds=0.5, patience_seconds=patience_seconds) as ledger:
        telemetry = RecordingTelemetry()
        async with HttpClients(settings, wire=services) as clients:
            yield FakePlatform(
                settings=settings, clients=clients, ledger=ledger, telemetry=telemetry, audit=RecordingAudit()
            )


async def work(run: MigrationRun) -> MigrationRun:
    """Work a started migration to its end, page by page as the graph does."""
    for spec in run.pages():
        await run.record_page(await run.write_page(await run.transform_page(await run.read_page(spec))))
    await run.write_waiting()
    await run.finish(datetime.now(UTC))
    return run


async def migrate(platform: Platform, migration: Any, **filter: Any) -> MigrationRun:
    """A whole migration in an engine of its own."""
    engine = MigrationEngine(platform)
    values = migration.filter.model_validate(filter)
    return await work(await engine.start(migration, filter=values, partition=None, run_id=None, who="TESTER"))


def when(run: MigrationRun) -> datetime:
    """The time that a migration id stands for."""
    return datetime.fromisoformat(run.migration_id)
