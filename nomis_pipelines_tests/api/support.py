"""Stand-ins around the control API: HMPPS Auth with keys, Dagster as a list of runs, services in memory."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from nomis_pipelines.api.context import ApiContext
from nomis_pipelines.api.launcher import LaunchError
from nomis_pipelines.domains.court_sentencing.entities import ENTITIES
from nomis_pipelines.http import NeverSent, WireRequest, WireResponse
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.court_sentencing import examples as courts
from nomis_pipelines_tests.domains.incidents import examples as incidents
from nomis_pipelines_tests.fake_services import FakeServices, error, json_answer
from nomis_pipelines_tests.recording import RecordingTelemetry

MIGRATION = "ROLE_PRISONER_FROM_NOMIS__MIGRATION__RW"
UPDATE = "ROLE_PRISONER_FROM_NOMIS__UPDATE__RW"
SYSCON = "ROLE_MIGRATE_NOMIS_SYSCON"
VISITS_2024 = "ROLE_MIGRATE_VISITS"
SENTENCING_2024 = "ROLE_MIGRATE_SENTENCING"
ALERTS_2024 = "ROLE_MIGRATE_ALERTS"
LOCATIONS_2024 = "ROLE_MIGRATE_LOCATIONS"
LOCATION_REPAIRS_2024 = "ROLE_NOMIS_LOCATIONS"
ACTIVITIES_2024 = "ROLE_MIGRATE_ACTIVITIES"
APPOINTMENTS_2024 = "ROLE_MIGRATE_APPOINTMENTS"
ADJUDICATIONS_2024 = "ROLE_MIGRATE_ADJUDICATIONS"
INCIDENTS_2024 = "ROLE_MIGRATE_INCIDENT_REPORTS"
CSIP_2024 = "ROLE_MIGRATE_CSIP"
CASE_NOTES_2024 = "ROLE_MIGRATE_CASENOTES"
CASE_NOTE_REPAIRS_2025 = "ROLE_NOMIS_CASENOTES"
HISTORY_2024 = "ROLE_MIGRATION_ADMIN"
QUEUES = "ROLE_SYSCON__QUEUE_ADMIN"
QUEUES_2024 = "ROLE_QUEUE_ADMIN"
ALL_ROLES = (
    MIGRATION, UPDATE, SYSCON, VISITS_2024, SENTENCING_2024, ALERTS_2024, LOCATIONS_2024, LOCATION_REPAIRS_2024,
    ACTIVITIES_2024, APPOINTMENTS_2024, ADJUDICATIONS_2024, INCIDENTS_2024, CSIP_2024, HISTORY_2024, QUEUES,
    QUEUES_2024,
    CASE_NOTES_2024, CASE_NOTE_REPAIRS_2025,
)  # fmt: skip

CELL_DPS_ID = "e0b8b0f4-6a37-4a0c-8a3d-3d1f6f1a7c55"
CELL = {
    "locationId": 70412, "locationType": "CELL", "prisonId": "LEI", "locationCode": "004", "description": "LEI-B-1-004",
    "active": True, "createDatetime": "2019-05-20T14:00:05", "createUsername": "SYS_ADM",
}  # fmt: skip


def new_key() -> rsa.RSAPrivateKey:
    """A key to sign tokens with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def first_key() -> rsa.RSAPrivateKey:
    """The key that every `FakeAuth` begins with: making one is slow."""
    return new_key()


@dataclass
class FakeAuth:
    """A wire to HMPPS Auth: its key set and its health; `asked` counts the readings of the key set."""

    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {"key-1": first_key()})
    asked: int = 0
    broken: bool = False

    def token(self, *roles: str, key_id: str = "key-1", key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        """A token with these roles, good for ten minutes unless `claims` say otherwise."""
        content = {"client_id": "a-client", "authorities": list(roles), "exp": time.time() + 600, **claims}
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(content, key or self.keys[key_id], algorithm=alg, headers={"kid": key_id})

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        """The header with such a token."""
        return {"Authorization": f"Bearer {self.token(*roles, **claims)}"}

    async def send(self, request: WireRequest) -> WireResponse:
        """Answer for HMPPS Auth."""
        if self.broken:
            raise NeverSent("refused")
        if request.url == f"{world.AUTH}/health/ping":
            return WireResponse(200, b"{}")
        assert request.url == f"{world.AUTH}/.well-known/jwks.json"
        assert not any(name.lower() == "authorization" for name, _ in request.headers)
        self.asked += 1
        keys = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": name, "use": "sig"}
            for name, key in self.keys.items()
        ]
        return json_answer(200, {"keys": keys})

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass
class FakeLauncher:
    """Dagster as far as the control API sees it: runs with a status. `refusal` is raised by the next launches."""

    runs: dict[str, str] = field(default_factory=dict[str, str])
    launched: list[tuple[str, Mapping[str, Any], Mapping[str, str]]] = field(default_factory=list[Any])
    refusal: str | None = None
    away: bool = False

    async def launch(self, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Queue a run."""
        if self.refusal:
            raise LaunchError(self.refusal)
        self.launched.append((job, run_config, tags))
        run_id = f"run-{len(self.launched)}"
        self.runs[run_id] = "QUEUED"
        return run_id

    async def status(self, run_id: str) -> str | None:
        """Where a run stands."""
        if self.away:
            raise LaunchError("Dagster is away")
        return self.runs.get(run_id)

    async def terminate(self, run_id: str) -> None:
        """End a run at once."""
        self.runs[run_id] = "CANCELED"

    async def is_there(self) -> bool:
        """Whether Dagster answers."""
        return not self.away


class Services(FakeServices):
    """The services in memory, with what only the control API asks for: counts of mappings, rooms, bookings."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, WireResponse | Exception] = {}
        self.asked: list[str] = []

    async def send(self, request: WireRequest) -> WireResponse:
        """Answer one request; `answers` come first, by the end of a path, or by its beginning with a `*`."""
        path = urlsplit(request.url).path
        if not request.url.startswith(world.AUTH):
            self.asked.append(request.url)
        for part, answer in self.answers.items():
            if path.startswith(part[:-1]) if part.endswith("*") else path.endswith(part):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if "/migration-id/" in path:
            label = path.rsplit("/", 1)[1].replace("%3A", ":")
            found = sum(mapping["label"] == label for mapping in self.mappings.values())
            return json_answer(200, {"content": [], "totalElements": found})
        if path in (
            "/adjustments/ids",
            "/prisoners/ids/all",
            "/appointments/ids",
            "/adjudications/charges/ids",
            "/csip/ids",
        ):
            return json_answer(200, {"content": [], "totalElements": 0, "size": 1})
        return await super().send(request)

    def answer_every_domain(self) -> None:
        """Answer what repairs, reports and starts of all domains ask for: little is there, and all goes well."""
        adjustments = {"sentenceAdjustments": [], "keyDateAdjustments": []}
        self.answers["/sentencing-adjustments"] = json_answer(200, adjustments)
        self.answers["/visits/rooms/usage-count"] = json_answer(200, [])
        self.answers["/alerts/to-migrate"] = error(404)
        self.answers["/resync/*"] = json_answer(201, [])
        self.answers["/mapping/alerts/*"] = json_answer(200, None)
        self.answer_locations()
        self.answer_courts()
        self.answer_incidents()
        self.answers["/mapping/casenotes/migration-id/*"] = json_answer(200, 0)
        self.answers["/mapping/casenotes/*"] = error(404)

    def answer_locations(self) -> None:
        """Let every location be one cell at the top, which is mapped and can be updated."""
        pair = {"dpsLocationId": CELL_DPS_ID, "nomisLocationId": 70412, "mappingType": "MIGRATED"}
        self.answers["/mapping/locations/nomis/*"] = json_answer(200, pair)
        self.answers["/locations/ids"] = json_answer(200, {"content": [], "totalElements": 0, "size": 1})
        self.answers["/locations/*"] = json_answer(200, CELL)
        self.answers["/sync/upsert"] = json_answer(200, {"id": CELL_DPS_ID})
        self.answers["/sync/delete/*"] = json_answer(204, None)
        self.answers["/mapping/locations/dps/*"] = json_answer(204, None)

    def answer_incidents(self) -> None:
        """Let every incident be that of the card, mapped, and NOMIS in charge of it."""
        self.answers["/incidents/ids"] = json_answer(200, {"content": [], "totalElements": 0, "size": 1})
        self.answers["/incidents/*"] = json_answer(200, incidents.INCIDENT)
        self.answers["/agency-switches/*"] = error(404)
        self.answers["/mapping/incidents/nomis-incident-id/*"] = json_answer(200, incidents.PAIR)

    def answer_courts(self) -> None:
        """Let everything of every prisoner be in NOMIS and mapped, and DPS do whatever it is asked."""
        of_nomis = (courts.NOMIS_SENTENCE, courts.SENTENCE_TERM, courts.ON_FIRST, courts.FIRST_EVENT, courts.COURT_CASE)
        anything = {name: value for each in of_nomis for name, value in each.items()}
        self.answers["/prisoners/ids/all"] = json_answer(200, {"content": [], "totalElements": 0, "size": 1})
        self.answers["/sentencing/court-cases"] = json_answer(200, [courts.COURT_CASE])
        self.answers["/prisoners/*"] = self.answers["/court-cases/*"] = json_answer(200, anything)
        pairs = (ENTITIES[name].pair(tuple(ids), dps_id, "MIGRATED") for (name, *ids), dps_id in courts.MAPPED.items())
        everything = {name: value for pair in pairs for name, value in pair.items()}
        self.answers["/mapping/court-sentencing/prisoner/migration-id/*"] = json_answer(200, {"totalElements": 0})
        self.answers["/mapping/court-sentencing/*"] = json_answer(200, everything | {"offenderNo": "A4321BC"})
        lists = ("courtCases", "appearances", "charges", "sentences", "sentenceTerms")
        made = {"courtCaseUuid": courts.NEW, "lifetimeUuid": courts.NEW, "periodLengthUuid": courts.NEW}
        self.answers["/legacy/*"] = json_answer(200, made | {name: [] for name in lists})


def activities_answers(migration_id: str) -> dict[str, WireResponse | Exception]:
    """What the services answer about activities, none of which is listed and two of which a migration recorded."""
    label = migration_id.replace(":", "%3A")
    nothing = json_answer(200, {"content": [], "totalElements": 0, "size": 1})
    recorded = [{"nomisCourseActivityId": 90110, "activityId": 5501}, {"nomisCourseActivityId": 90111}]
    return {
        "/activities/ids": nothing,
        "/allocations/ids": nothing,
        f"/mapping/activities/migration-count/migration-id/{label}": json_answer(200, 2),
        f"/mapping/activities/migration/migration-id/{label}": json_answer(
            200, {"content": recorded, "totalElements": 2}
        ),
        "/activities/end": json_answer(200, None),
        "/activities/move-end-date": json_answer(200, None),
        "/move-activity-start-dates": json_answer(200, ["Activity 5499 not moved"]),
    }


@dataclass
class Api:
    """The application under test with what stands around it."""

    client: httpx.AsyncClient
    context: ApiContext
    auth: FakeAuth
    launcher: FakeLauncher
    services: Services
    database_url: str

    @property
    def telemetry(self) -> RecordingTelemetry:
        """What was told."""
        telemetry = self.context.platform.telemetry
        assert isinstance(telemetry, RecordingTelemetry)
        return telemetry

    async def call(self, method: str, path: str, *roles: str, **options: Any) -> httpx.Response:
        """A call with a token that has these roles (by default that of migrations)."""
        headers = {**self.auth.bearer(*(roles or (MIGRATION,))), **options.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **options)
