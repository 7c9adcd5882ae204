"""A sandbox in the test's own event loop, a consumer of its court sentencing, and NOMIS to be changed by hand."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from nomis_pipelines.domains.court_sentencing import COURT_SENTENCING
from nomis_pipelines.domains.court_sentencing.migration import CourtSentencingMigration
from nomis_pipelines.http import HttpClients, HttpxWire, ServiceError
from nomis_pipelines.ledger import Ledger
from nomis_pipelines.observability import Audit
from nomis_pipelines.platform import Platform
from nomis_pipelines.sandbox.data.courts import coded, event_charge, result
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.process import SERVICE_CLIENTS
from nomis_pipelines.sandbox.server import HOST, SandboxServer
from nomis_pipelines.settings import SERVICES
from nomis_pipelines.synchronisation import Delivery, HandlerError, SyncContext
from nomis_pipelines.synchronisation.declaration import HandlerSet
from nomis_pipelines.synchronisation.repair import Repair
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.events import RecordingQueues
from nomis_pipelines_tests.fake_services import migrate
from nomis_pipelines_tests.recording import RecordingTelemetry

Json = dict[str, Any]
TODAY = date(2026, 3, 10)
MOST_ROUNDS = 18
"""Deliveries that a message has before the queue gives it up."""


@dataclass
class Story:
    """What happens to a prisoner in NOMIS, and what becomes of it."""

    server: SandboxServer
    platform: Platform
    telemetry: RecordingTelemetry
    queues: RecordingQueues
    offender_no: str
    booking_id: int
    waiting: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    redelivered: int = 0

    @property
    def context(self) -> SyncContext:
        """What handlers get."""
        return SyncContext(
            clients=self.platform.clients,
            ledger=self.platform.ledger,
            telemetry=self.telemetry,
            queues=self.queues,
            settings=self.platform.settings,
        )

    def cases(self, booking_id: int | None = None) -> list[Json]:
        """The cases of a booking, to be changed and put back."""
        found = self.server.stores.nomis_courts.of_booking(booking_id or self.booking_id)
        assert found is not None
        return found

    def put(self, cases: list[Json], booking_id: int | None = None) -> None:
        """Let NOMIS have these."""
        self.server.stores.nomis_courts.put(booking_id or self.booking_id, cases)

    def change(self, work: Callable[[list[Json]], None]) -> None:
        """Change the cases of the prisoner's booking."""
        cases = self.cases()
        work(cases)
        self.put(cases)

    def new_id(self) -> int:
        """An id of NOMIS's that nothing has."""
        return self.server.stores.nomis_courts.new_id()

    def event(self, event_type: str, **body: object) -> None:
        """NOMIS tells of a change of the prisoner's."""
        names: Json = {"offenderIdDisplay": self.offender_no, "bookingId": self.booking_id}
        self.waiting.append((event_type, {**names, "auditModuleName": "OCUCOEVT", **body}))

    async def deliver(self, shuffle: Random | None = None) -> None:
        """Hand over everything that waits, in order or not; what fails comes again behind the others."""
        handlers = HandlerSet.of(COURT_SENTENCING.synchronisation, self.context)
        if shuffle is not None:
            shuffle.shuffle(self.waiting)
        for _ in range(MOST_ROUNDS):
            now, self.waiting = self.waiting, []
            for message in now:
                try:
                    await self._hand_over(handlers, *message)
                except (HandlerError, ServiceError):
                    self.redelivered += 1
                    self.waiting.append(message)
            if not self.waiting:
                return
        raise AssertionError(f"never done: {[kind for kind, _ in self.waiting]}")

    async def _hand_over(self, handlers: HandlerSet, kind: str, body: Json) -> None:
        bound = handlers.events.get(kind) or handlers.internals[kind]
        delivery = Delivery(event_type=kind, message_id="m", receive_count=1)
        await bound(bound.handler.body.validate_python(body, strict=False), delivery)
        for _, internal, sent, _ in self.queues.sent:
            self.waiting.append((internal, sent))
        self.queues.sent.clear()

    async def repair(self, name: str, **values: object) -> None:
        """What an operator asks for."""
        wanted: Repair = next(repair for repair in COURT_SENTENCING.repairs if repair.name == name)
        parameters = wanted.parameters.model_validate({"offenderNo": self.offender_no, **values})
        await wanted.work(self.context, parameters)

    async def migrate(self, *numbers: str, **filter: Any) -> dict[str, int]:
        """Migrate some prisoners; the counts of the run."""
        given = ",".join(numbers or (self.offender_no,))
        run = await migrate(self.platform, CourtSentencingMigration, offenderNo=given, **filter)
        return run.tally.counts()

    def in_dps(self) -> list[Json]:
        """What DPS has of the prisoner, by NOMIS ids."""
        pairs = self.server.stores.court_mappings.pairs

        def nomis_of(dps_id: str) -> list[int] | None:
            mapped = pairs.by_dps_id(dps_id)
            return None if mapped is None else list(mapped[0][1:])

        return self.server.stores.dps_courts.view(self.offender_no, nomis_of)

    async def freshly_migrated(self) -> list[Json]:
        """What DPS has once it and the mapping service have been emptied and the prisoner migrated."""
        self.server.stores.dps_courts.clear()
        self.server.stores.court_mappings.clear()
        counts = await self.migrate()
        assert counts["migrated"] == 1, counts
        return self.in_dps()


def new_case(story: Story) -> Json:
    """A case with two appearances, two charges, a chain of two sentences and their terms; NOMIS has yet to get it."""
    case_id, first, last = story.new_id(), story.new_id(), story.new_id()
    charges = [
        {"id": story.new_id(), "offence": {"offenceCode": code, "statuteCode": code[:4], "description": text}}
        for code, text in (("TH68010", "Theft from a shop"), ("CJ88144", "Common assault"))
    ]
    events = [
        {
            "id": event_id, "caseId": case_id, "eventDateTime": when, "courtId": "LEEDCC",
            "courtEventType": coded("CRT", "Court Appearance"), "createdByUsername": "CLERK1",
            "courtEventCharges": [event_charge(event_id, charge, "2026-01-05", "CLERK1") for charge in there],
        }
        for event_id, when, there in (
            (first, "2026-02-01T10:00:00", charges[:1]),
            (last, "2026-03-02T10:30:15", charges),
        )
    ]  # fmt: skip
    events[0]["nextEventDateTime"] = "2026-03-02T10:30:00"
    events[1] |= {"outcomeReasonCode": result("1002"), "commentText": "by video link"}
    for charge in events[1]["courtEventCharges"]:
        charge["resultCode1"] = result("1002")
    sequences = [each["sentenceSeq"] for case in story.cases() for each in case["sentences"]]
    begin = max(sequences, default=0)
    sentences = [
        new_sentence(story.booking_id, begin + place + 1, last, [charge], follows=begin + place if place else None)
        for place, charge in enumerate(charges)
    ]
    return {
        "id": case_id, "offenderNo": story.offender_no, "bookingId": story.booking_id,
        "caseStatus": coded("A", "Active"), "sourceCombinedCaseIds": [], "createdByUsername": "CLERK1",
        "caseInfoNumbers": [
            {"type": "CASE/INFO#", "reference": "LS26/118", "createDateTime": "2026-02-01T09:10:12"},
        ],
        "courtEvents": events, "sentences": sentences,
    }  # fmt: skip


def new_sentence(booking_id: int, sequence: int, event_id: int, charges: list[Json], follows: int | None) -> Json:
    """A sentence with two terms."""
    sentence: Json = {
        "bookingId": booking_id, "sentenceSeq": sequence, "status": "A",
        "calculationType": coded("ADIMP", "Standard Determinate Sentence"), "category": coded("2020", "2020"),
        "courtOrder": {"id": event_id + 1, "eventId": event_id}, "lineSequence": sequence,
        "createdDateTime": "2026-03-02T12:00:00", "createdByUsername": "CLERK1", "offenderCharges": charges,
        "sentenceTerms": [
            {
                "termSequence": number, "sentenceTermType": coded(*kind), "years": 3 - number,
                "lifeSentenceFlag": False, "createdByUsername": "CLERK1",
            }
            for number, kind in ((1, ("IMP", "Imprisonment")), (2, ("LIC", "Licence")))
        ],
    }  # fmt: skip
    return sentence if follows is None else sentence | {"consecSequence": follows}


def announce_case(story: Story, case: Json) -> None:
    """All events of a new case, parents before children."""
    case_id = case["id"]
    story.event("OFFENDER_CASES-INSERTED", caseId=case_id)
    for event in case["courtEvents"]:
        story.event("COURT_EVENTS-INSERTED", eventId=event["id"], caseId=case_id)
        for there in event["courtEventCharges"]:
            story.event("COURT_EVENT_CHARGES-INSERTED", eventId=event["id"], chargeId=there["offenderCharge"]["id"])
    for sentence in case["sentences"]:
        announce_sentence(story, case_id, sentence)
    for number in case["caseInfoNumbers"]:
        story.event(
            "OFFENDER_CASE_IDENTIFIERS-INSERTED",
            caseId=case_id, identifierType=number["type"], identifierNo=number["reference"],
        )  # fmt: skip


def announce_sentence(story: Story, case_id: int, sentence: Json, what: str = "INSERTED") -> None:
    """The events of a sentence, with its charges and terms when it is new."""
    sequence = sentence["sentenceSeq"]
    level = {"sentenceLevel": "IND", "sentenceCategory": "2020", "caseId": case_id}
    story.event(f"OFFENDER_SENTENCES-{what}", sentenceSeq=sequence, **level)
    if what == "UPDATED":
        return
    for charge in sentence["offenderCharges"]:
        story.event(f"OFFENDER_SENTENCE_CHARGES-{what}", sentenceSeq=sequence, chargeId=charge["id"])
    for term in sentence["sentenceTerms"]:
        story.event(f"OFFENDER_SENTENCE_TERMS-{what}", sentenceSeq=sequence, termSequence=term["termSequence"])


@asynccontextmanager
async def told(state: Path, ledger_url: str) -> AsyncGenerator[Story]:
    """A story about a prisoner with one booking and no case at all."""
    server = SandboxServer(World(visits=50, prisoners=60, until=TODAY, today=TODAY), state)
    await server.start()
    settings = world.settings(**_environment(server), DATABASE_URL=ledger_url)
    telemetry = RecordingTelemetry()
    try:
        async with (
            await Ledger.open(ledger_url, commit_milliseconds=0.5) as ledger,
            HttpClients(settings, wire=HttpxWire()) as clients,
        ):
            platform = Platform(
                settings=settings, clients=clients, ledger=ledger, telemetry=telemetry, audit=Audit(settings)
            )
            offender_no, booking_id = _prisoner_of_one_booking(server)
            story = Story(server, platform, telemetry, RecordingQueues(), offender_no, booking_id)
            story.put([])
            yield story
    finally:
        await server.stop()


def _prisoner_of_one_booking(server: SandboxServer) -> tuple[str, int]:
    prisoners = server.stores.nomis_alerts
    numbers, _ = prisoners.prisoners(0, 60)
    found = [number for number in numbers if len(prisoners.bookings(number)) == 1]
    return found[-1], prisoners.bookings(found[-1])[0]


def another_prisoner(story: Story) -> str:
    """A prisoner with an older booking that has an active case."""
    prisoners, courts = story.server.stores.nomis_alerts, story.server.stores.nomis_courts
    for number in prisoners.prisoners(0, 60)[0]:
        bookings = prisoners.bookings(number)
        if not bookings or bookings[-1] >= story.booking_id:
            continue
        cases = courts.of_booking(bookings[-1]) or []
        if any(case["caseStatus"]["code"] == "A" and case["sentences"] for case in cases):
            return number
    raise AssertionError("nobody has an active case with a sentence")


def _environment(server: SandboxServer) -> dict[str, str]:
    found = {"API_BASE_URL_HMPPS_AUTH": f"http://{HOST}:{server.ports['auth']}/auth"}
    for name, client in SERVICE_CLIENTS.items():
        spec = SERVICES[name]
        found |= {
            spec.url_variable: f"http://{HOST}:{server.ports[name]}",
            spec.id_variable: client,
            spec.secret_variable: f"{client}-secret",
        }
    return found | {"NOMIS_PIPELINES_TODAY": TODAY.isoformat()}
