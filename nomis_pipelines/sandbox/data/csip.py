"""The CSIP reports of NOMIS with their parts: functions of the world and a number, in the order of their creation.

Parts of each kind number independently, so a factor, a plan and a review may have the same id. One report in a
hundred lacks who recorded its screening, which DPS cannot do without (CSIP card, section 6.2).
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from nomis_pipelines.sandbox.data.alerts import AlertData
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

FIRST_REPORT = 8_001
MOST_PARTS = 10
PRISONERS_A_REPORT = 4
UNFIT_IN = 100
_STRIDE = 7_919
_USERS = ("PHART_GEN", "LSIM_GEN", "AKEY_GEN", "OREE_GEN")
_TYPES = {"ATO": "Abuse/Threats Other", "PRA": "Prisoner Assault", "GAN": "Gang Related", "INT": "Intimidation"}
_PLACES = {"GYM": "Gym", "LIB": "Library", "EXY": "Exercise Yard", "CEL": "Cell"}
_AREAS = {"SEC": "Security", "RES": "Residential", "EDU": "Education"}
_FACTORS = {"DEB": "Debt", "BUL": "Bullying", "MED": "Medication", "GAN": "Gang Related", "MIH": "Mental Ill Health"}
_OUTCOMES = {"CUR": "Progress to CSIP", "OPE": "Progress to Investigation", "NFA": "No Further Action"}
_ROLES = {"PERP": "Perpetrator", "VICTIM": "Victim", "WITNESS": "Witness"}
_ACTIONS = (
    "openCSIPAlert", "nonAssociationsUpdated", "observationBook", "unitOrCellMove", "csraOrRsraReview",
    "serviceReferral", "simReferral",
)  # fmt: skip

Json = dict[str, Any]


class CsipData:
    """All generated reports of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = max(1, world.prisoners // PRISONERS_A_REPORT)
        self.timeline = Timeline(world, self.count)
        self._people = AlertData(world)

    def exists(self, report_id: int) -> bool:
        """Whether there is such a generated report."""
        return FIRST_REPORT <= report_id < FIRST_REPORT + self.count

    def is_unfit(self, report_id: int) -> bool:
        """Whether DPS cannot have the report as it is."""
        return (report_id - FIRST_REPORT) % UNFIT_IN == UNFIT_IN // 2

    def range(self, first: date | None, last: date | None) -> range:
        """The ids of the reports made from one day to another, both included."""
        begin, end = 1, self.count + 1
        if first is not None:
            begin = self._first_at(datetime.combine(first, time.min))
        if last is not None:
            end = self._first_at(datetime.combine(last + timedelta(days=1), time.min))
        return range(FIRST_REPORT - 1 + begin, FIRST_REPORT - 1 + max(begin, end))

    def of_booking(self, booking_id: int) -> list[int]:
        """The generated reports of a booking."""
        return self._by_booking.get(booking_id, [])

    def report(self, report_id: int) -> Json | None:
        """A report as NOMIS gives it but for whose it is (card, section 3), nulls left out; None for none."""
        if not self.exists(report_id):
            return None
        number = report_id - FIRST_REPORT + 1
        drawn = draws(self.world.key, b"csip", number)
        made = self.timeline.created(number).replace(microsecond=0)
        incident = made.date() - timedelta(days=1 + drawn[0] % 5)
        prison = tuple(PRISONS)[drawn[1] % len(PRISONS)]
        report: Json = {
            "id": report_id,
            "bookingId": self._booking(number),
            "originalAgencyId": prison,
            "incidentDate": incident.isoformat(),
            "type": _coded(_TYPES, drawn[2]),
            "location": _coded(_PLACES, drawn[3]),
            "areaOfWork": _coded(_AREAS, drawn[4]),
            "reportedBy": _user(drawn[5]),
            "reportedDate": made.date().isoformat(),
            "proActiveReferral": drawn[6] % 3 == 0,
            "staffAssaulted": drawn[7] % 9 == 0,
            "reportDetails": _details(report_id, made, drawn),
            "saferCustodyScreening": {},
            "investigation": {"interviews": _interviews(report_id, made, drawn)},
            "decision": {"actions": {name: drawn[8] >> place & 3 == 3 for place, name in enumerate(_ACTIONS)}},
            "plans": _plans(report_id, made, drawn),
            "reviews": [],
            "documents": [],
            **audit(_user(drawn[5]), made),
        }
        if drawn[9] % 4:
            report |= {"logNumber": f"{prison}-{number % 1000:03}", "incidentTime": f"{7 + drawn[9] % 12:02}:40:00"}
        if report["staffAssaulted"]:
            report["staffAssaultedName"] = "Named in the log"
        if drawn[10] % 3 or self.is_unfit(report_id):
            report["saferCustodyScreening"] = _screening(made, drawn, unfit=self.is_unfit(report_id))
        if drawn[11] % 3 == 0:
            report["investigation"] |= {"staffInvolved": "Wing staff", "reasonOccurred": "A debt"}
        if report["plans"]:
            report |= {"caseManager": "Case manager", "reviews": _reviews(report_id, made, drawn)}
        return report

    def _first_at(self, moment: datetime) -> int:
        return self.timeline.first_at_or_after(self.timeline.milliseconds(moment))

    def _booking(self, number: int) -> int:
        """The latest booking of a prisoner who has one: of the drawn one, or of the next that has."""
        prisoner = number * _STRIDE % self.world.prisoners
        while not (bookings := self._people.bookings(prisoner)):
            prisoner = (prisoner + 1) % self.world.prisoners
        return bookings[-1]

    @cached_property
    def _by_booking(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number in range(1, self.count + 1):
            found.setdefault(self._booking(number), []).append(FIRST_REPORT - 1 + number)
        return found


def audit(user: str, made: datetime) -> Json:
    """Who made a row, and when."""
    return {"createDateTime": made.isoformat(timespec="seconds"), "createdBy": user}


def part_ids(report_id: int, count: int) -> Iterable[int]:
    """The ids of the generated parts of one kind."""
    return (report_id * MOST_PARTS + place for place in range(count))


def _details(report_id: int, made: datetime, drawn: tuple[int, ...]) -> Json:
    details: Json = {
        "concern": "Seen to be avoiding others",
        "factors": [
            {"id": number, "type": _coded(_FACTORS, drawn[12] + place), **audit(_user(drawn[5]), made)}
            for place, number in enumerate(part_ids(report_id, drawn[13] % 4))
        ],
        "saferCustodyTeamInformed": drawn[14] % 2 == 0,
        "referralComplete": drawn[15] % 2 == 0,
    }
    if drawn[16] % 3 == 0:
        details |= {"involvement": _coded(_ROLES, drawn[16]), "knownReasons": "", "otherInformation": "None"}
    if details["referralComplete"]:
        details |= {"referralCompletedBy": _user(drawn[17]), "referralCompletedDate": made.date().isoformat()}
    return details


def _screening(made: datetime, drawn: tuple[int, ...], *, unfit: bool) -> Json:
    screening: Json = {
        "outcome": _coded(_OUTCOMES, drawn[18]),
        "recordedDate": (made.date() + timedelta(days=1)).isoformat(),
        "reasonForDecision": "A pattern",
    }
    if not unfit:
        screening["recordedBy"] = _user(drawn[19])
    return screening


def _interviews(report_id: int, made: datetime, drawn: tuple[int, ...]) -> list[Json]:
    return [
        {
            "id": number,
            "interviewee": "Interviewed on the wing",
            "date": (made.date() + timedelta(days=2)).isoformat(),
            "role": _coded(_ROLES, drawn[20] + place),
            **audit(_user(drawn[21]), made + timedelta(days=2)),
        }
        for place, number in enumerate(part_ids(report_id, (0, 0, 1, 2)[drawn[22] % 4]))
    ]


def _plans(report_id: int, made: datetime, drawn: tuple[int, ...]) -> list[Json]:
    return [
        {
            "id": number,
            "identifiedNeed": "Advice on debt",
            "intervention": "A weekly session",
            "referredBy": _user(drawn[23]),
            "createdDate": (made.date() + timedelta(days=3)).isoformat(),
            "targetDate": (made.date() + timedelta(days=33 + place)).isoformat(),
            **audit(_user(drawn[23]), made + timedelta(days=3)),
        }
        for place, number in enumerate(part_ids(report_id, (0, 1, 1, 2)[drawn[24] % 4]))
    ]


def _reviews(report_id: int, made: datetime, drawn: tuple[int, ...]) -> list[Json]:
    reviews: list[Json] = []
    for place, number in enumerate(part_ids(report_id, drawn[25] % 3)):
        held = made + timedelta(days=14 * (place + 1))
        reviews.append(
            {
                "id": number,
                "reviewSequence": place + 1,
                "attendees": [
                    {"id": number * 2 + each, "name": "An officer", "role": "Officer", "attended": drawn[26] % 4 > 0}
                    | audit(_user(drawn[27]), held)
                    for each in range(1 + drawn[28] % 2)
                ],
                "remainOnCSIP": place == 0,
                "csipUpdated": drawn[29] % 2 == 0,
                "caseNote": True,
                "closeCSIP": place > 0,
                "peopleInformed": drawn[30] % 2 == 0,
                "recordedDate": held.date().isoformat(),
                "recordedBy": _user(drawn[27]),
                **audit(_user(drawn[27]), held),
            }
        )
    return reviews


def _coded(table: dict[str, str], draw: int) -> Json:
    code = tuple(table)[draw % len(table)]
    return {"code": code, "description": table[code]}


def _user(draw: int) -> str:
    return _USERS[draw % len(_USERS)]
