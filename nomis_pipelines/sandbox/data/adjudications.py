"""The disciplinary charges of NOMIS: functions of the world and a number, like the visits. One for five visits.

Incidents repeat a pattern of ten with one, two or three charges each. Charges are numbered as they were recorded,
which is also the order of incidents.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any

from nomis_pipelines.sandbox.data.hearings import hearings_of
from nomis_pipelines.sandbox.data.people import full_name, offender_no
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

FIRST_NUMBER = 4_000_001
FIRST_INCIDENT = 700_001
VISITS_A_CHARGE = 5
PATTERN = (1, 1, 2, 1, 3, 1, 1, 2, 1, 1)
"""Charges of each incident."""
IN_TURN = sum(PATTERN)
PLACES = tuple((incident, sequence) for incident, charges in enumerate(PATTERN) for sequence in range(1, charges + 1))
RAISED_IN_DPS_IN = 40
"""One adjudication in so many (of those with one charge) was raised in DPS and has lost its mapping since."""
UNKNOWN_REPAIR_IN = 60  # one repair in so many has a code that no table of the adjudications card knows

OFFENCES = {
    "51:1A": "Commits any assault", "51:2A": "Detains any person against his will", "51:4": "Fights with any person",
    "51:12B": "Has in his possession an unauthorised article", "51:17": "Destroys or damages any part of a prison",
    "51:20A": "Uses threatening, abusive or insulting words or behaviour", "51:22": "Disobeys any lawful order",
}  # fmt: skip
REPAIRS = {
    "ELEC": "Electrical", "PLUM": "Plumbing", "DECO": "Re-Decoration", "FABR": "Fabric", "CLEA": "Cleaning",
    "LOCK": "Lock",
}  # fmt: skip
UNKNOWN_REPAIR = ("GLAS", "Glazing")
EVIDENCE = {
    "PHOTO": "Photographic Evidence", "EVI_BAG": "Evidence Bag", "BEHAV": "Behaviour Report",
    "WITNESS": "Witness Report", "DRUGTEST": "Drug Test Report", "OTHER": "Other",
}  # fmt: skip
GENDERS = (("M", "Male"),) * 9 + (("F", "Female"),)
_USERS = tuple(f"{a}{b}_GEN" for a, b in ("AB", "CD", "EF", "GH", "KL", "MN", "PQ", "RS", "TU", "WX"))
_DETAILS = (None, "Refused to return to his cell", "Found during a search — bagged", "", "Shouting on the landing")
_WITNESS_LISTS = ("staffWitnesses", "prisonerWitnesses", "staffVictims", "prisonerVictims", "otherPrisonersInvolved",
                  "reportingOfficers", "otherStaffInvolved")  # fmt: skip
_PRISONERS = frozenset({"prisonerWitnesses", "prisonerVictims", "otherPrisonersInvolved"})

Charge = dict[str, Any]
Key = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ChargeFilter:
    """What `/adjudications/charges/ids` can be asked for: prisons (none: all), the day of recording, ends included."""

    prisons: frozenset[str] = frozenset()
    first: date | None = None
    last: date | None = None


class AdjudicationData:
    """All charges of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = max(20, world.visits // VISITS_A_CHARGE)
        self.timeline = Timeline(world, self.count)
        self.prisoners = max(500, world.visits // 12)
        self.select = lru_cache(maxsize=256)(self._select)

    @cached_property
    def _prisons(self) -> tuple[str, ...]:
        return tuple(code for code, prison in PRISONS.items() for _ in range(prison.weight))

    def _select(self, wanted: ChargeFilter) -> tuple[Key, ...]:
        """The charges of one filter, in the order of incidents."""
        first, end = 1, self.count + 1
        if wanted.first is not None:
            first = self.timeline.first_at_or_after(self._at(wanted.first, time.min))
        if wanted.last is not None:
            end = self.timeline.first_at_or_after(self._at(wanted.last, time.max) + 1)
        keys = (self.key_at(number) for number in range(first, end))
        return tuple(key for key in keys if not wanted.prisons or self.prison(key) in wanted.prisons)

    def _at(self, day: date, at: time) -> int:
        return self.timeline.milliseconds(datetime.combine(day, at))

    def key_at(self, number: int) -> Key:
        """Adjudication number and sequence of the `number`-th charge (from 1)."""
        turn, place = divmod(number - 1, IN_TURN)
        incident, sequence = PLACES[place]
        return FIRST_NUMBER + turn * len(PATTERN) + incident, sequence

    def number_of(self, key: Key) -> int | None:
        """The charge of these ids; None for none."""
        turn, incident = divmod(key[0] - FIRST_NUMBER, len(PATTERN))
        if turn < 0 or (incident, key[1]) not in PLACES:
            return None
        number = turn * IN_TURN + PLACES.index((incident, key[1])) + 1
        return number if number <= self.count else None

    def prison(self, key: Key) -> str:
        """The prison of the incident."""
        return self._prisons[self._incident(key)[0] % len(self._prisons)]

    def offender(self, key: Key) -> str:
        """The prisoner who is charged."""
        return offender_no(self._prisoner(self._incident(key)))

    def raised_in_dps(self, key: Key) -> bool:
        """Whether the charge was raised in DPS, under its plain number, and copied to NOMIS."""
        return self._charges(key) == 1 and key[0] % RAISED_IN_DPS_IN == 7

    def charge(self, key: Key) -> Charge | None:
        """A charge as NOMIS gives it (adjudications card, section 3.2), nulls left out; None for none."""
        number = self.number_of(key)
        if number is None:
            return None
        drawn, about = draws(self.world.key, b"charge", number), self._incident(key)
        created, prisoner = self.timeline.created(number), self._prisoner(about)
        gender = GENDERS[prisoner % len(GENDERS)]
        offences = tuple(OFFENCES.items())
        code, description = offences[drawn[0] % len(offences)]
        charge: Charge = {
            "adjudicationSequence": 1,
            "offenderNo": offender_no(prisoner),
            "bookingId": 1_500_000 + prisoner,
            "adjudicationNumber": key[0],
            "gender": {"code": gender[0], "description": gender[1]},
            "partyAddedDate": created.date().isoformat(),
            "incident": self._incident_json(key, created, about),
            "charge": {"offence": {"code": code, "description": description}, "chargeSequence": key[1]},
            "investigations": _investigations(created, drawn),
            "hearings": hearings_of(number, created, key, drawn),
            "hasMultipleCharges": self._charges(key) > 1,
        }
        if about[3] % 4:
            code = self.prison(key) if about[4] % 3 else self._prisons[about[5] % len(self._prisons)]
            charge["currentPrison"] = {"code": code, "description": f"{code} (HMP)"}
        if drawn[1] % 5 < 2:
            charge["charge"]["evidence"] = ("Mat", "", " ", "Phone and charger")[drawn[2] % 4]
        if drawn[3] % 5 < 2:
            charge["charge"]["reportDetail"] = ("Cut in two", "", "Seen by two officers")[drawn[4] % 3]
        return charge

    def _charges(self, key: Key) -> int:
        return PATTERN[(key[0] - FIRST_NUMBER) % len(PATTERN)]

    def _incident(self, key: Key) -> tuple[int, ...]:
        return draws(self.world.key, b"incident", key[0])

    def _prisoner(self, about: tuple[int, ...]) -> int:
        return (about[1] | about[2] << 16) % self.prisoners

    def _incident_json(self, key: Key, created: datetime, about: tuple[int, ...]) -> Charge:
        day = created.date() - timedelta(days=about[6] % 3)
        at = time(about[7] % 24, about[8] % 60, about[9] % 60 if about[9] % 4 == 0 else 0)
        prison = self.prison(key)
        incident: Charge = {
            "adjudicationIncidentId": FIRST_INCIDENT + key[0] - FIRST_NUMBER,
            "reportingStaff": _staff(about[10]),
            "incidentDate": day.isoformat(),
            "incidentTime": at.isoformat() if at.second else f"{at:%H:%M}",
            "reportedDate": created.date().isoformat(),
            "reportedTime": created.time().isoformat(),
            "createdByUsername": _USERS[about[11] % len(_USERS)],
            "createdDateTime": created.isoformat(),
            "internalLocation": {
                "locationId": 900_001 + list(PRISONS).index(prison),
                "code": "WING",
                "description": f"{prison}-WING",
            },
            "incidentType": {"code": "GOV", "description": "Governor's Report"},
            "prison": {"code": prison, "description": f"{prison} (HMP)"},
            "repairs": _repairs(about),
        } | {name: _people(name, created.date(), about) for name in _WITNESS_LISTS}
        details = _DETAILS[about[12] % len(_DETAILS)]
        return incident if details is None else incident | {"details": details}


def _staff(draw: int) -> Charge:
    first, _, last = full_name(draw).upper().partition(" ")
    user = _USERS[draw % len(_USERS)]
    return {"username": user, "staffId": 100 + draw % 900, "firstName": first, "lastName": last}


def _people(name: str, added: date, about: tuple[int, ...]) -> list[Charge]:
    """Those named in one of the lists of an incident; most lists are empty."""
    place = _WITNESS_LISTS.index(name)
    often = 2 if name == "reportingOfficers" else 12
    draw = about[13 + place]
    if draw % often:
        return []
    added_by = {"createdByUsername": _USERS[draw // 16 % len(_USERS)], "dateAddedToIncident": added.isoformat()}
    if name in _PRISONERS:
        first, _, last = full_name(draw).upper().partition(" ")
        person = {"offenderNo": offender_no(draw), "lastName": last, **added_by}
        return [person | {"firstName": first} if draw // 16 % 8 else person]
    person = _staff(draw) | added_by
    if draw // 16 % 10 == 0:
        del person["dateAddedToIncident"]
    if draw // 16 % 97 == 0:
        del person["createdByUsername"]
    return [person | {"comment": "Heard it"} if draw // 16 % 3 == 0 else person]


def _repairs(about: tuple[int, ...]) -> list[Charge]:
    if about[20] % 10:
        return []
    codes = tuple(REPAIRS.items())
    code, description = codes[about[21] % len(codes)]
    if about[22] % UNKNOWN_REPAIR_IN == 0:
        code, description = UNKNOWN_REPAIR
    repair: Charge = {
        "type": {"code": code, "description": description},
        "createdByUsername": _USERS[about[23] % len(_USERS)],
    }
    if about[24] % 3:
        repair |= {"comment": "Torn mat", "cost": about[25] % 20_000 / 100}
    return [repair]


def _investigations(created: datetime, drawn: tuple[int, ...]) -> list[Charge]:
    if drawn[5] % 8:
        return []
    codes = tuple(EVIDENCE.items())
    evidence = [
        {
            "type": {"code": code, "description": description},
            "date": (created.date() + timedelta(days=1)).isoformat(),
            "detail": f"Bag {drawn[6] % 90 + which}",
            "createdByUsername": _USERS[drawn[7] % len(_USERS)],
        }
        for which in range(drawn[8] % 3)
        for code, description in [codes[drawn[9 + which] % len(codes)]]
    ]
    assigned = (created.date() + timedelta(days=1)).isoformat()
    return [{"investigator": _staff(drawn[12]), "dateAssigned": assigned, "evidence": evidence}]
