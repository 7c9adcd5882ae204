"""The CSIP reports of NOMIS as they are now: the generated ones, with what has been changed, added or deleted since."""

import copy
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from nomis_pipelines.sandbox.data.csip import FIRST_REPORT, CsipData, Json, audit
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.nomis_alerts import NomisAlerts
from nomis_pipelines.sandbox.stores.overlay import Overlay

FIRST_NEW_PART = 1_000_000_000
"""Ids of parts made in the sandbox's life begin here, above all generated ones."""
ADDED_BY = "NEW_GEN"


class NomisCsip:
    """Generated reports are never stored; changed ones are, as the fields that differ. `prisoners` knows whose."""

    KIND = b">"

    def __init__(self, world: World, prisoners: NomisAlerts, journal: Journal) -> None:
        self.data = CsipData(world)
        self._prisoners = prisoners
        self._overlay: Overlay[int] = Overlay(self.KIND, journal, lambda parts: int(parts[0]))
        self.replay = self._overlay.replay

    def get(self, report_id: int) -> Json | None:
        """A copy of a report as it is now, under the prisoner whose booking it is."""
        report = self._overlay.current(report_id, self.data.report)
        if report is None:
            return None
        owner = self._prisoners.owner(report["bookingId"])
        return copy.deepcopy(report) | {"offender": {"offenderNo": owner, "firstName": "A", "lastName": "NAME"}}

    def page(self, first: date | None, last: date | None, start: int, size: int) -> tuple[list[int], int]:
        """Up to `size` ids from the `start`-th on, of reports made in these days, and how many there are in all."""
        ids = [number for number in self.data.range(first, last) if not self._overlay.is_gone(number)]
        ids += [number for number in self._added() if _made_within(self._overlay.added[number], first, last)]
        return ids[start : start + size], len(ids)

    def of_booking(self, booking_id: int) -> list[int] | None:
        """The ids of the reports of a booking, lowest first; None for an unknown booking."""
        if self._prisoners.owner(booking_id) is None:
            return None
        ids = [number for number in self.data.of_booking(booking_id) if not self._overlay.is_gone(number)]
        return ids + [number for number in self._added() if self._overlay.added[number]["bookingId"] == booking_id]

    def add_like(self, booking_id: int, like: int) -> Json | None:
        """Make a report now on a booking, alike to another but for all ids; None when either is unknown."""
        report = self.get(like)
        if report is None or self._prisoners.owner(booking_id) is None:
            return None
        number = FIRST_REPORT + self.data.count + len(self._overlay.added)
        ids = iter(range(FIRST_NEW_PART + number * 100, FIRST_NEW_PART + number * 100 + 100))
        for row in rows_of(report):
            row["id"] = next(ids)
        report |= {"id": number, "bookingId": booking_id} | audit(ADDED_BY, london_now())
        report.pop("offender")
        self._overlay.add(number, report)
        return self.get(number)

    def change(self, report_id: int, fields: dict[str, Any]) -> Json | None:
        """Change whole fields of a report; returns it as it is then, None when there is none."""
        if self.get(report_id) is None:
            return None
        self._overlay.change(report_id, fields)
        return self.get(report_id)

    def remove(self, report_id: int) -> None:
        """Delete a report with all its parts."""
        self._overlay.remove(report_id)

    def clear(self) -> None:
        """Back to the generated world."""
        self._overlay.clear()

    def _added(self) -> Iterator[int]:
        return (number for number in self._overlay.added if not self._overlay.is_gone(number))


def rows_of(report: Json) -> Iterator[Json]:
    """Every part of a report."""
    yield from report["reportDetails"]["factors"]
    yield from report["investigation"].get("interviews") or ()
    yield from report["plans"]
    for review in report["reviews"]:
        yield review
        yield from review["attendees"]


def _made_within(report: Json, first: date | None, last: date | None) -> bool:
    made = datetime.fromisoformat(report["createDateTime"]).date()
    return (first is None or made >= first) and (last is None or made <= last)
