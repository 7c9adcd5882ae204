"""Prisoners, their bookings and the alerts on them: functions of the world and a number, like the visits.

A booking's id tells whose it is, so nothing need be looked for. The alerts of the latest booking begin with copies of
those still active on the one before, as NOMIS makes them when somebody comes back.
"""

from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from nomis_pipelines.sandbox.data.people import full_name, offender_no, prisoner_of
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import World, draws

FIRST_BOOKING = 10_000_000
MOST_BOOKINGS = 4
MOST_A_BOOKING = 20
FROM_DPS = "DPS_SYNCHRONISATION"
COPIED = "OMKCOPY.COPY_BOOKING_DATA"


class Code(NamedTuple):
    """An alert code: its type, what both are called, and whether DPS still lets it be used for new alerts."""

    type: str
    type_description: str
    description: str
    in_use: bool = True


CODES = {
    "XEL": Code("X", "Security", "Escape list"),
    "XA": Code("X", "Security", "Arsonist"),
    "XCU": Code("X", "Security", "Controlled unlock"),
    "XNR": Code("X", "Security", "Not for release"),
    "XSA": Code("X", "Security", "Staff assaulter"),
    "HA": Code("H", "Self Harm", "ACCT open"),
    "HA1": Code("H", "Self Harm", "ACCT post closure"),
    "RKC": Code("R", "Risk", "Risk to known children"),
    "RTP": Code("R", "Risk", "Risk to transgender people"),
    "VI": Code("V", "Vulnerability", "Vulnerable in general"),
    "PEEP": Code("M", "Medical", "Evacuation plan needed"),
    "UPIU": Code("U", "COVID unit management", "Protective isolation unit", in_use=False),
    "XOLD": Code("X", "Security", "Category replaced in 2019", in_use=False),
}
_DRAW = ("XEL", "XA", "XCU", "XNR", "XSA", "HA", "HA", "HA", "HA1", "RKC", "RTP", "VI", "VI", "PEEP", "UPIU", "XOLD")
_BOOKINGS = (1,) * 9 + (2,) * 4 + (3, 4, 0)
_COUNTS = (0, 0, 2, 3, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10, 11, 12)
_COMMENTS = (
    "Seen testing the fence", "Per court order", "", "Reviewed — no change", "Told staff himself\nsecond line",
    "See security file", "Needs a ground floor cell",
)  # fmt: skip
_AUTHORISERS = ("Security dept", "A. Governor", "Safer Custody", "Healthcare")
_SYSTEM = "SYS"

Alert = dict[str, Any]
AlertKey = tuple[int, int]


class AlertData:
    """All prisoners of a world, whatever has been changed since left aside."""

    def __init__(self, world: World) -> None:
        self.world = world

    def offender_no(self, prisoner: int) -> str:
        """The number of a prisoner (from 0)."""
        return offender_no(prisoner)

    def find(self, number: str) -> int | None:
        """The prisoner of a number; None for none."""
        prisoner = prisoner_of(number)
        return prisoner if prisoner is not None and prisoner < self.world.prisoners else None

    def bookings(self, prisoner: int) -> list[int]:
        """The booking ids of a prisoner, the oldest first; one in sixteen was never booked."""
        count = _BOOKINGS[self._drawn(prisoner)[0] % len(_BOOKINGS)]
        return [FIRST_BOOKING + prisoner * MOST_BOOKINGS + place for place in range(count)]

    def owner(self, booking_id: int) -> int | None:
        """The prisoner of a generated booking; None for none."""
        prisoner = (booking_id - FIRST_BOOKING) // MOST_BOOKINGS
        known = 0 <= prisoner < self.world.prisoners and booking_id in self.bookings(prisoner)
        return prisoner if known else None

    def active(self, prisoner: int) -> bool:
        """Whether the prisoner is in prison."""
        return self._drawn(prisoner)[1] % 3 > 0

    def location(self, prisoner: int) -> str:
        """Where the prisoner is, or `OUT`."""
        prisons = tuple(PRISONS)
        return prisons[self._drawn(prisoner)[2] % len(prisons)] if self.active(prisoner) else "OUT"

    def alerts(self, booking_id: int) -> list[Alert]:
        """The alerts of a generated booking as NOMIS gives them (alerts card, section 3), nulls left out."""
        prisoner = self.owner(booking_id)
        if prisoner is None:
            return []
        place = booking_id - FIRST_BOOKING - prisoner * MOST_BOOKINGS
        copies: list[Alert] = []
        if place > 0 and place == len(self.bookings(prisoner)) - 1:
            before = [alert for alert in self._own(prisoner, booking_id - 1) if alert["isActive"]]
            copies = [copied(alert, booking_id, number + 1) for number, alert in enumerate(before[:4])]
        return copies + self._own(prisoner, booking_id)

    def _own(self, prisoner: int, booking_id: int) -> list[Alert]:
        drawn = draws(self.world.key, b"alertbk", booking_id)
        count = _COUNTS[drawn[0] % len(_COUNTS)]
        # some sequences were deleted long ago; the first few are kept free for copies
        sequences = [5 + number + (number > drawn[1] % 8) for number in range(count)]
        return [self._alert(prisoner, booking_id, sequence) for sequence in sequences]

    def _alert(self, prisoner: int, booking_id: int, sequence: int) -> Alert:
        drawn = draws(self.world.key, b"alert", booking_id * MOST_A_BOOKING + sequence)
        begun = self.world.since + timedelta(days=drawn[0] % (self.world.until - self.world.since).days)
        code = _DRAW[drawn[1] % len(_DRAW)]
        alert: Alert = {"bookingId": booking_id, "alertSequence": sequence} | coded(code) | {"date": begun.isoformat()}
        ends = begun + timedelta(days=7 + drawn[2] % 400) if drawn[3] % 5 < 3 else None
        if ends is not None:
            alert["expiryDate"] = ends.isoformat()
        alert["isActive"] = ends is None or ends > self.world.until
        alert["isVerified"] = drawn[4] % 4 == 0
        if drawn[5] % 3:
            alert["authorisedBy"] = _AUTHORISERS[drawn[6] % len(_AUTHORISERS)]
        if drawn[7] % 4:
            alert["comment"] = _COMMENTS[drawn[8] % len(_COMMENTS)]
        made = datetime.combine(begun, time(7 + drawn[9] % 13, drawn[10] % 60, drawn[11] % 60))
        alert["audit"] = _audit(prisoner, made, drawn)
        return alert

    def _drawn(self, prisoner: int) -> tuple[int, ...]:
        return draws(self.world.key, b"prisoner", prisoner)


def coded(code: str) -> Alert:
    """The code and type of an alert."""
    known = CODES.get(code, Code("O", "Other", "Not known to DPS"))
    return {
        "alertCode": {"code": code, "description": known.description},
        "type": {"code": known.type, "description": known.type_description},
    }


def copied(alert: Alert, booking_id: int, sequence: int) -> Alert:
    """An alert as NOMIS copies it to a new booking."""
    audit = alert["audit"] | {"auditModuleName": "OIDADMIS", "auditAdditionalInfo": COPIED}
    return alert | {"bookingId": booking_id, "alertSequence": sequence, "audit": audit}


def made_by(user: str, made: datetime, module: str = "OCDALERT") -> Alert:
    """The audit of an alert made by hand just now."""
    return {
        "createDatetime": made.isoformat(timespec="seconds"),
        "createUsername": user,
        "createDisplayName": full_name(len(user) * 31 + ord(user[0])).upper(),
        "auditModuleName": module,
    }


def is_active(ends: str | None, today: date) -> bool:
    """Whether an alert that ends so is active."""
    return ends is None or date.fromisoformat(ends) > today


def _audit(prisoner: int, made: datetime, drawn: tuple[int, ...]) -> Alert:
    if drawn[12] % 9 == 0:
        audit: Alert = {"createDatetime": made.isoformat(), "createUsername": _SYSTEM}
    else:
        user = f"{'ABCDEFGH'[drawn[13] % 8]}{'KLMNOPQR'[drawn[14] % 8]}_GEN"
        audit = made_by(user, made)
    # what DPS made came to NOMIS with this name, and is in NOMIS like any other
    audit["auditModuleName"] = FROM_DPS if drawn[15] % 6 == 0 else "OCDALERT"
    if drawn[16] % 10 < 4:
        audit["modifyDatetime"] = (made + timedelta(hours=1 + drawn[17] % 2000)).isoformat(timespec="seconds")
        audit["modifyUserId"] = "PQUINN_ADM" if drawn[18] % 3 else _SYSTEM
        if drawn[18] % 3 == 1:
            audit["modifyDisplayName"] = full_name(prisoner + 7).upper()
    return audit
