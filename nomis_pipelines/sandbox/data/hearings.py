"""Hearings of the sandbox's charges, with their results, punishments and notices."""

from datetime import datetime, time, timedelta
from typing import Any

from nomis_pipelines.sandbox.data.people import full_name

FIRST_HEARING = 3_000_000
MOST_HEARINGS, MOST_AWARDS = 3, 4
NO_DATE_IN, NO_ROOM_IN, NO_TYPE_IN, TOO_EARLY_IN = 150, 180, 200, 120
"""One hearing, or punishment, in so many has no date, no room, no type; one hearing in so many is before its incident,
which the adjudications service refuses."""

TYPES = ("GOV", "GOV_ADULT", "GOV_YOI", "INAD_ADULT", "INAD_YOI")
PLEAS = ("GUILTY", "NOT_GUILTY", "NOT_ASKED", "REFUSED", "UNFIT")
FINDINGS = ("PROVED", "PROVED", "PROVED", "NOT_PROVED", "D", "NOT_PROCEED", "REF_POLICE")
SANCTIONS = (
    "CC", "FORFEIT", "STOP_PCT", "ADA", "ADA", "EXTW", "EXTRA_WORK", "REMACT", "REMWIN", "OTHER", "CAUTION", "PADA",
)  # fmt: skip
STATUSES = ("IMMEDIATE", "IMMEDIATE", "SUSPENDED", "PROSPECTIVE", "SUSP_PROSP", "QUASHED")
_STARTS = (time(9, 30), time(10, 0), time(11, 15), time(14, 0))
_USERS = tuple(f"GOV{number}_GEN" for number in range(1, 6))

Hearing = dict[str, Any]


def hearings_of(number: int, created: datetime, key: tuple[int, int], drawn: tuple[int, ...]) -> list[Hearing]:
    """The hearings of the `number`-th charge, none to three."""
    return [
        _hearing(number, which, created, key, tuple(draw // (which + 1) + which for draw in drawn))
        for which in range((1, 1, 1, 2, 0, 1, 3, 2)[drawn[13] % 8])
    ]


def _code(code: str) -> dict[str, str]:
    return {"code": code, "description": code.replace("_", " ").capitalize()}


def _staff(draw: int) -> dict[str, Any]:
    first, _, last = full_name(draw).upper().partition(" ")
    return {"username": _USERS[draw % len(_USERS)], "staffId": 10 + draw % 90, "firstName": first, "lastName": last}


def _hearing(number: int, which: int, created: datetime, key: tuple[int, int], drawn: tuple[int, ...]) -> Hearing:
    early = drawn[14] % TOO_EARLY_IN == 0
    day = created.date() + timedelta(days=-30 if early else 2 + 7 * which + drawn[15] % 5)
    at = _STARTS[drawn[16] % len(_STARTS)]
    hearing: Hearing = {
        "hearingId": FIRST_HEARING + number * MOST_HEARINGS + which,
        "comment": "Heard in full",
        "hearingResults": _results(number, which, datetime.combine(day, at), key, drawn),
        "createdDateTime": created.isoformat(timespec="seconds"),
        "createdByUsername": _USERS[drawn[17] % len(_USERS)],
        "notifications": [
            {
                "deliveryDate": (day - timedelta(days=1)).isoformat(),
                "deliveryTime": "14:30:00",
                "notifiedStaff": _staff(drawn[18]),
            }
        ][: drawn[19] % 3],
    }
    if drawn[20] % 10:
        hearing["type"] = _code(TYPES[drawn[20] % len(TYPES)])
    if drawn[21] % NO_DATE_IN:
        hearing |= {"hearingDate": day.isoformat(), "hearingTime": at.isoformat()}
    if drawn[22] % NO_ROOM_IN:
        hearing["internalLocation"] = {"locationId": 5600 + drawn[22] % 20, "code": "ADJ", "description": "ADJ"}
    if drawn[23] % 8:
        hearing["hearingStaff"] = _staff(drawn[23])
    if drawn[24] % 6 == 0:
        hearing["representativeText"] = "Legal adviser present"
    return hearing


def _results(number: int, which: int, when: datetime, key: tuple[int, int], drawn: tuple[int, ...]) -> list[Hearing]:
    if drawn[25] % 5 == 0:
        return []  # adjourned
    finding = FINDINGS[drawn[26] % len(FINDINGS)]
    offence = {"code": "51:22", "description": "Disobeys any lawful order"}
    first = (number * MOST_HEARINGS + which) * MOST_AWARDS
    awards = 1 + drawn[27] % MOST_AWARDS if finding == "PROVED" else 0
    return [
        {
            "pleaFindingType": _code(PLEAS[drawn[28] % len(PLEAS)]),
            "findingType": _code(finding),
            "charge": {"offence": offence, "chargeSequence": key[1]},
            "offence": offence,
            "resultAwards": [_award(first + place, when, key, drawn[place:]) for place in range(awards)],
            "createdDateTime": (when + timedelta(minutes=30)).isoformat(timespec="seconds"),
            "createdByUsername": _USERS[drawn[29] % len(_USERS)],
        }
    ]


def _award(sequence: int, when: datetime, key: tuple[int, int], drawn: tuple[int, ...]) -> Hearing:
    sanction = SANCTIONS[drawn[3] % len(SANCTIONS)]
    made = (when + timedelta(minutes=31)).isoformat(timespec="seconds")
    award: Hearing = {
        "sequence": sequence,
        "sanctionStatus": _code(STATUSES[drawn[4] % len(STATUSES)]),
        "effectiveDate": when.date().isoformat(),
        "statusDate": when.date().isoformat(),
        "chargeSequence": key[1],
        "adjudicationNumber": key[0],
        "createdByUsername": "SYS" if drawn[5] % 15 == 0 else _USERS[drawn[5] % len(_USERS)],
        "createdDateTime": made,
    }
    if drawn[6] % NO_TYPE_IN:
        award["sanctionType"] = _code(sanction)
    if sanction == "OTHER" and drawn[7] % 2:
        award["compensationAmount"] = drawn[7] % 10_000 / 100
    elif sanction != "CAUTION":
        award |= {"sanctionDays": 1 + drawn[8] % 28} if drawn[8] % 12 else {"sanctionMonths": 1 + drawn[9] % 3}
    if sanction == "ADA" and drawn[10] % 6 == 0:
        award["consecutiveAward"] = award | {"sequence": 1, "chargeSequence": 1, "adjudicationNumber": key[0] - 1}
    return award
