"""Court cases of NOMIS as they are now: the generated ones, with all that has been done to them."""

import copy
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.courts import RECALL, CourtData, Json, coded
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.nomis_alerts import NomisAlerts

FIRST_NEW = 2_000_000_000
"""Ids of what is made in the sandbox's life begin here, above all generated ones."""


class NomisCourts:
    """Generated cases are never stored; of a booking that was changed all cases are. `prisoners` knows the bookings."""

    KIND = b"k"

    def __init__(self, world: World, prisoners: NomisAlerts, journal: Journal) -> None:
        self.data = CourtData(world)
        self._prisoners = prisoners
        self._journal = journal
        self._changed: dict[int, list[Json]] = {}
        self._booking_of_case: dict[int, int] = {}
        self._merges: dict[str, Json] = {}
        self._next = FIRST_NEW

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[what, …]`."""
        what, *details = from_json(payload)
        self._apply(what, details)

    def of_booking(self, booking_id: int) -> list[Json] | None:
        """A copy of the cases of a booking; None for an unknown booking."""
        owner = self._prisoners.owner(booking_id)
        if owner is None:
            return None
        kept = self._changed.get(booking_id)
        cases = self.data.cases(booking_id, owner) if kept is None else copy.deepcopy(kept)
        return [case | {"offenderNo": owner} for case in cases]

    def of_prisoner(self, number: str) -> list[Json] | None:
        """The cases of every booking of a prisoner, the oldest booking first; None for an unknown prisoner."""
        bookings = self._prisoners.bookings(number)
        if not bookings and self._prisoners.data.find(number) is None:
            return None
        return [case for booking_id in bookings for case in self.of_booking(booking_id) or ()]

    def case(self, case_id: int) -> Json | None:
        """One case, whosever it is."""
        booking_id = self._booking_of_case.get(case_id, self.data.booking_of(case_id))
        return next((case for case in self.of_booking(booking_id) or () if case["id"] == case_id), None)

    def event(self, number: str, event_id: int) -> Json | None:
        """One appearance of a prisoner."""
        events = (event for case in self.of_prisoner(number) or () for event in case["courtEvents"])
        return next((event for event in events if event["id"] == event_id), None)

    def charge(self, number: str, charge_id: int) -> Json | None:
        """One charge of a prisoner, as at its last appearance."""
        found = [
            there["offenderCharge"]
            for case in self.of_prisoner(number) or ()
            for event in case["courtEvents"]
            for there in event["courtEventCharges"]
            if there["offenderCharge"]["id"] == charge_id
        ]
        return found[-1] if found else None

    def sentences(self, booking_id: int) -> Iterator[tuple[Json, Json]]:
        """Every sentence of a booking, with its case."""
        for case in self.of_booking(booking_id) or ():
            for sentence in case["sentences"]:
                yield case, sentence

    def sentence(self, booking_id: int, sequence: int) -> Json | None:
        """One sentence of a booking."""
        return next((each for _, each in self.sentences(booking_id) if each["sentenceSeq"] == sequence), None)

    def recalls(self, booking_id: int) -> list[Json] | None:
        """The active recall sentences of a booking; None for an unknown booking."""
        if self._prisoners.owner(booking_id) is None:
            return None
        return [
            each
            for _, each in self.sentences(booking_id)
            if each["calculationType"]["code"] == RECALL and each["status"] == "A"
        ]

    def merge_of(self, number: str) -> Json | None:
        """What the last merge of a prisoner did to court cases, as they are now; None for one who was never merged."""
        merge = self._merges.get(number)
        if merge is None:
            return None
        created, deactivated = ([self.case(case_id) for case_id in merge[name]] for name in ("created", "deactivated"))
        return {
            "courtCasesCreated": [case for case in created if case is not None],
            "courtCasesDeactivated": [case for case in deactivated if case is not None],
            "sentencesDeactivated": [],
        }

    def put(self, booking_id: int, cases: list[Json]) -> None:
        """Let a booking have these cases from now on."""
        self._record("put", booking_id, cases)

    def new_id(self) -> int:
        """An id that nothing has."""
        self._record("id")
        return self._next

    def add_like(self, booking_id: int, like: int) -> Json | None:
        """Make a case on a booking, alike to another but for its ids; None when there is no such other."""
        case, cases = self.case(like), self.of_booking(booking_id)
        if case is None or cases is None:
            return None
        cases.append(self._copy(case, booking_id, _last_sequence(cases)))
        self.put(booking_id, cases)
        return self.case(cases[-1]["id"])

    def merge(self, retained: str, before: list[int], removed: list[int]) -> None:
        """What NOMIS does to court cases when a number with the bookings `removed` goes into one with those `before`.

        The active cases of the older one's latest booking are copied to the latest of all, and become inactive.
        """
        latest = max(before[-1], removed[-1])
        source = removed[-1] if latest == before[-1] else before[-1]
        originals, copies = self.of_booking(source) or [], self.of_booking(latest) or []
        sequence = _last_sequence(copies)
        created: list[int] = []
        deactivated: list[int] = []
        for case in originals:
            if case["caseStatus"]["code"] != "A":
                continue
            copies.append(self._copy(case, latest, sequence))
            sequence += len(case["sentences"])
            created.append(copies[-1]["id"])
            deactivated.append(case["id"])
            case["caseStatus"] = coded("I", "Inactive")
            for sentence in case["sentences"]:
                sentence["status"] = "I"
        self.put(source, originals)
        self.put(latest, copies)
        self._record("merge", retained, {"created": created, "deactivated": deactivated})

    def clear(self) -> None:
        """Back to the generated world."""
        self._changed.clear()
        self._booking_of_case.clear()
        self._merges.clear()
        self._next = FIRST_NEW

    def _copy(self, case: Json, booking_id: int, sequence: int) -> Json:
        made = from_json(to_json(case))  # a charge is one object wherever it is named, and is renumbered in each place
        made |= {"id": self.new_id(), "bookingId": booking_id, "sourceCombinedCaseIds": []}
        made.pop("combinedCaseId", None)
        events = {event["id"]: self.new_id() for event in made["courtEvents"]}
        charges: dict[int, int] = {}
        for event in made["courtEvents"]:
            event |= {"id": events[event["id"]], "caseId": made["id"]}
            for there in event["courtEventCharges"]:
                there["eventId"] = event["id"]
                there.pop("linkedCaseDetails", None)
                charge = there["offenderCharge"]
                if charge["id"] not in charges:
                    charges[charge["id"]] = self.new_id()
                charge["id"] = charges[charge["id"]]
        numbers = {each["sentenceSeq"]: sequence + place + 1 for place, each in enumerate(made["sentences"])}
        for sentence in made["sentences"]:
            self._renumber(sentence, booking_id, numbers, events, charges)
        return made

    @staticmethod
    def _renumber(
        sentence: Json, booking_id: int, numbers: dict[int, int], events: dict[int, int], charges: dict[int, int]
    ) -> None:
        sentence |= {"bookingId": booking_id, "sentenceSeq": numbers[sentence["sentenceSeq"]]}
        sentence["courtOrder"]["eventId"] = events[sentence["courtOrder"]["eventId"]]
        if "consecSequence" in sentence:
            followed = numbers.get(sentence.pop("consecSequence"))
            sentence |= {} if followed is None else {"consecSequence": followed}
        for charge in sentence["offenderCharges"]:
            charge["id"] = charges[charge["id"]]

    def _record(self, what: str, *details: Any) -> None:
        self._journal.append(self.KIND, to_json([what, *details]))
        self._apply(what, details)

    def _apply(self, what: str, details: Any) -> None:
        match what:
            case "put":
                booking_id, cases = details
                self._changed[booking_id] = cases
                self._booking_of_case |= {case["id"]: booking_id for case in cases}
            case "id":
                self._next += 1
            case _:
                self._merges[details[0]] = details[1]


def _last_sequence(cases: list[Json]) -> int:
    return max((each["sentenceSeq"] for case in cases for each in case["sentences"]), default=0)
