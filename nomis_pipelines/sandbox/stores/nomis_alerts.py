"""Prisoners, bookings and alerts of NOMIS as they are now: the generated ones, with all that has been done to them."""

from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.alerts import (
    FIRST_BOOKING,
    MOST_BOOKINGS,
    Alert,
    AlertData,
    AlertKey,
    coded,
    copied,
    is_active,
    made_by,
)
from nomis_pipelines.sandbox.data.world import World, london_now
from nomis_pipelines.sandbox.journal import Journal


class NomisAlerts:
    """Generated alerts are never stored; changed ones are, as the fields that differ."""

    KIND = b"a"

    def __init__(self, world: World, journal: Journal) -> None:
        self.data = AlertData(world)
        self._world = world
        self._journal = journal
        self._next_booking = FIRST_BOOKING + world.prisoners * MOST_BOOKINGS
        self._moved: dict[int, str] = {}
        self._bookings: dict[str, list[int]] = {}
        self._merged: set[str] = set()
        self._in_prison: dict[str, bool] = {}
        self._changes: dict[AlertKey, Alert] = {}
        self._added: dict[int, dict[int, Alert]] = {}
        self._gone: set[AlertKey] = set()

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[what, …]`."""
        what, *details = from_json(payload)
        self._apply(what, details)

    def prisoners(self, start: int, size: int) -> tuple[list[str], int]:
        """Up to `size` prisoner numbers from the `start`-th on, and how many there are; those merged away are gone."""
        total = self._world.prisoners - len(self._merged)
        if not self._merged:
            return [self.data.offender_no(number) for number in range(start, min(start + size, total))], total
        numbers = [self.data.offender_no(number) for number in range(self._world.prisoners)]
        return [number for number in numbers if number not in self._merged][start : start + size], total

    def prisoner(self, number: str) -> dict[str, Any] | None:
        """A prisoner's details; None for an unknown one, and for one never booked."""
        bookings = self.bookings(number)
        prisoner = self.data.find(number)
        if not bookings or prisoner is None:
            return None
        active = self._in_prison.get(number, self.data.active(prisoner))
        location = self.data.location(prisoner)
        return {
            "offenderNo": number,
            "offenderId": prisoner + 1,
            "rootOffenderId": prisoner + 1,
            "bookingId": bookings[-1],
            "location": location if active and location != "OUT" else "MDI" if active else "OUT",
            "active": active,
        }

    def bookings(self, number: str) -> list[int]:
        """The bookings of a prisoner, the latest last."""
        prisoner = self.data.find(number)
        if prisoner is None or number in self._merged:
            return []
        own = [booking for booking in self.data.bookings(prisoner) if self._moved.get(booking, number) == number]
        return sorted({*own, *self._bookings.get(number, ())})

    def owner(self, booking_id: int) -> str | None:
        """Whose a booking is now; None for none."""
        if booking_id in self._moved:
            return self._moved[booking_id]
        prisoner = self.data.owner(booking_id)
        return None if prisoner is None else self.data.offender_no(prisoner)

    def latest(self, number: str) -> list[Alert] | None:
        """The alerts of a prisoner's latest booking; None for an unknown prisoner, and for one never booked."""
        bookings = self.bookings(number)
        return self._of_booking(bookings[-1], 1) if bookings else None

    def get(self, key: AlertKey) -> Alert | None:
        """One alert as it is now."""
        booking_id, sequence = key
        number = self.owner(booking_id)
        if number is None:
            return None
        bookings = self.bookings(number)
        rank = len(bookings) - bookings.index(booking_id)
        return next((a for a in self._of_booking(booking_id, rank) if a["alertSequence"] == sequence), None)

    def find(self, number: str, code: str, begins: str | None, comment: str | None) -> AlertKey | None:
        """The alert of the latest booking that a copy in DPS was made of; of like ones the one made last."""
        alike = [
            alert
            for alert in self.latest(number) or ()
            if alert["alertCode"]["code"] == code
            and (begins is None or alert["date"] == begins)
            and (alert.get("comment") or None) == (comment or None)
        ]
        return (alike[-1]["bookingId"], alike[-1]["alertSequence"]) if alike else None

    def add(self, number: str, fields: Alert) -> Alert | None:
        """Make a new alert now, on the prisoner's latest booking; None when there is none."""
        bookings = self.bookings(number)
        if not bookings:
            return None
        sequences = [alert["alertSequence"] for alert in self._all_of(bookings[-1])]
        now = london_now()
        code = fields.get("code", "XCU")
        alert: Alert = {
            "bookingId": bookings[-1],
            "alertSequence": max((*sequences, *(s for b, s in self._gone if b == bookings[-1])), default=0) + 1,
            **coded(code),
            "date": self._world.london_today().isoformat(),
            "isVerified": False,
            "comment": "Added at reception",
            "audit": made_by("AB_GEN", now),
        }
        self._record("add", alert | {name: value for name, value in fields.items() if name != "code"})
        return self.get((alert["bookingId"], alert["alertSequence"]))

    def change(self, key: AlertKey, fields: Alert) -> Alert | None:
        """Change an alert; returns it as it is then, None when there is none."""
        found = self.get(key)
        if found is None:
            return None
        changed = {"modifyDatetime": london_now().isoformat(timespec="seconds"), "modifyUserId": "CD_GEN"}
        audit = found["audit"] | changed | fields.get("audit", {})
        self._record("change", *key, fields | {"audit": audit})
        return self.get(key)

    def remove(self, key: AlertKey) -> bool:
        """Delete an alert; False when there is none."""
        if self.get(key) is None:
            return False
        self._record("remove", *key)
        return True

    def admit(self, number: str) -> list[Alert] | None:
        """Give a prisoner a new latest booking, with copies of the active alerts of the one before; returns those."""
        before = self.latest(number)
        if self.data.find(number) is None or number in self._merged:
            return None
        booking_id = self._next_booking
        active = [alert for alert in before or () if alert["isActive"]]
        copies = [copied(alert, booking_id, place + 1) for place, alert in enumerate(active)]
        self._record("admit", number, booking_id, copies)
        return self.latest(number)

    def move(self, booking_id: int, target: str) -> str | None:
        """Move a booking to another prisoner; returns whose it was, None when either is unknown."""
        source = self.owner(booking_id)
        if source is None or self.data.find(target) is None or target in self._merged or source == target:
            return None
        self._record("move", booking_id, source, target)
        return source

    def merge(self, retained: str, removed: str) -> int | None:
        """Let one number go into another with its bookings; returns the retained one's latest, None when it cannot."""
        if retained == removed or not self.bookings(retained) or not self.bookings(removed):
            return None
        for booking_id in self.bookings(removed):
            self._record("move", booking_id, removed, retained)
        self._record("merge", removed)
        return self.bookings(retained)[-1]

    def release(self, number: str, *, in_prison: bool) -> None:
        """Let a prisoner be in prison, or out."""
        self._record("in_prison", number, in_prison)

    def clear(self) -> None:
        """Back to the generated world."""
        self._next_booking = FIRST_BOOKING + self._world.prisoners * MOST_BOOKINGS
        for changed in (self._moved, self._bookings, self._merged, self._in_prison, self._changes, self._added):
            changed.clear()
        self._gone.clear()

    def _all_of(self, booking_id: int) -> list[Alert]:
        return self.data.alerts(booking_id) + list(self._added.get(booking_id, {}).values())

    def _of_booking(self, booking_id: int, rank: int) -> list[Alert]:
        """As NOMIS gives them: with the rank of their booking, and whether they are active today."""
        today = self._world.london_today()
        found: list[Alert] = []
        for alert in self._all_of(booking_id):
            key = (booking_id, alert["alertSequence"])
            if key in self._gone:
                continue
            now = alert | self._changes.get(key, {})
            found.append(now | {"bookingSequence": rank, "isActive": is_active(now.get("expiryDate"), today)})
        return found

    def _record(self, what: str, *details: Any) -> None:
        self._journal.append(self.KIND, to_json([what, *details]))
        self._apply(what, details)

    def _apply(self, what: str, details: Any) -> None:
        match what:
            case "add":
                self._apply_add(details[0])
            case "change":
                booking_id, sequence, fields = details
                key = (booking_id, sequence)
                self._changes[key] = self._changes.get(key, {}) | fields
            case "remove":
                self._gone.add((details[0], details[1]))
            case "admit":
                self._apply_admit(*details)
            case "move":
                self._apply_move(*details)
            case "merge":
                self._merged.add(details[0])
            case _:
                self._in_prison[details[0]] = details[1]

    def _apply_add(self, alert: Alert) -> None:
        self._added.setdefault(alert["bookingId"], {})[alert["alertSequence"]] = alert

    def _apply_admit(self, number: str, booking_id: int, copies: list[Alert]) -> None:
        self._next_booking = booking_id + 1
        self._moved[booking_id] = number
        self._bookings.setdefault(number, []).append(booking_id)
        self._in_prison[number] = True
        for alert in copies:
            self._apply_add(alert)

    def _apply_move(self, booking_id: int, source: str, target: str) -> None:
        self._moved[booking_id] = target
        if booking_id in self._bookings.get(source, ()):
            self._bookings[source].remove(booking_id)
        self._bookings.setdefault(target, []).append(booking_id)
