"""Court cases of NOMIS with all that belongs to them: functions of the world and a booking, like the alerts.

An id tells what it belongs to: a case its booking, an appearance or charge its case. Sentences of a booking are
numbered across its cases. About one sentence in ten covers two charges, and some follow the one before (court
sentencing card, section 11); now and then a case was combined into another, whose last appearance has its charge too.
"""

from datetime import date, datetime, time, timedelta
from typing import Any

from nomis_pipelines.sandbox.data.world import World, draws

MOST_CASES = 4
MOST_PARTS = 8
_CASES = (0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3)
_COURTS = ("LEEDMC", "LEEDCC", "SHEFCC", "BRADMC", "HULLCC", "YORKMC")
OFFENCES = {
    "TH68010": "Theft from a shop", "TH68151": "Burglary dwelling", "CJ88144": "Common assault",
    "PU86090": "Affray", "RT88191": "Driving while disqualified", "CD71039": "Criminal damage",
}  # fmt: skip
RESULTS = {
    "4506": ("Adjournment", "I", False), "4531": ("Remand in custody", "I", False), "1002": ("Imprisonment", "F", True),
    "1015": ("Fine", "F", True), "2050": ("Dismissed", "F", False),
}  # fmt: skip
_CALCULATIONS = {
    "ADIMP": "Standard Determinate Sentence", "ADIMP_ORA": "ORA Standard Determinate Sentence",
    "14FTR_ORA": "ORA 14 Day Fixed Term Recall", "LIFE": "Serving Life Imprisonment",
}  # fmt: skip
_DRAWN_CALCULATIONS = ("ADIMP", "ADIMP", "ADIMP", "ADIMP_ORA", "ADIMP_ORA", "14FTR_ORA", "LIFE")
RECALL = "14FTR_ORA"

Json = dict[str, Any]


class CourtData:
    """All generated cases of a world, whatever has been changed since left aside."""

    def __init__(self, world: World) -> None:
        self.world = world

    def cases(self, booking_id: int, offender_no: str) -> list[Json]:
        """The cases of a booking as NOMIS gives them (card, section 3), nulls left out."""
        drawn = draws(self.world.key, b"courtbk", booking_id)
        count = _CASES[drawn[0] % len(_CASES)]
        cases: list[Json] = []
        sequence = 0
        for place in range(count):
            case = self._case(booking_id, booking_id * MOST_CASES + place, offender_no, sequence)
            sequence += len(case["sentences"])
            cases.append(case)
        if count > 1 and drawn[1] % 5 == 0:
            combine(cases[1], cases[0], cases[0]["courtEvents"][-1]["eventDateTime"][:10])
        return cases

    def booking_of(self, case_id: int) -> int:
        """The booking of a generated case."""
        return case_id // MOST_CASES

    def _case(self, booking_id: int, case_id: int, offender_no: str, sequence: int) -> Json:
        drawn = draws(self.world.key, b"courtcs", case_id)
        begun = self.world.since + timedelta(days=drawn[0] % (self.world.until - self.world.since).days)
        made = datetime.combine(begun, time(9 + drawn[1] % 8, drawn[2] % 60, drawn[3] % 60))
        charges = [_charge(case_id * MOST_PARTS + place, drawn[4 + place]) for place in range(1 + drawn[8] % 3)]
        appearances = 1 + drawn[9] % 3
        events = [
            _event(case_id, place, charges, made, drawn, last=place == appearances - 1) for place in range(appearances)
        ]
        case: Json = {
            "id": case_id,
            "offenderNo": offender_no,
            "bookingId": booking_id,
            "caseStatus": coded("I", "Inactive") if drawn[10] % 5 == 0 else coded("A", "Active"),
            "sourceCombinedCaseIds": [],
            "createdByUsername": f"CLERK{drawn[11] % 9 + 1}",
            "caseInfoNumbers": _references(made, drawn),
            "courtEvents": events,
            "sentences": [],
        }
        if drawn[12] % 3:
            case["sentences"] = _sentences(case, charges, events[-1], made, sequence, drawn)
        if drawn[13] % 4 == 0:
            case["modifiedByUsername"] = f"CLERK{drawn[14] % 9 + 1}"
        return case


def coded(code: str, description: str) -> Json:
    """A code with its description."""
    return {"code": code, "description": description}


def result(code: str) -> Json:
    """The outcome of an appearance or of a charge."""
    description, disposition, conviction = RESULTS[code]
    return {
        "code": code,
        "description": description,
        "dispositionCode": disposition,
        "chargeStatus": "A",
        "conviction": conviction,
    }


def event_charge(event_id: int, charge: Json, offence_date: date | str, user: str) -> Json:
    """A charge as at one appearance."""
    return {
        "eventId": event_id,
        "offenderCharge": charge,
        "offenceDate": str(offence_date),
        "createdByUsername": user,
    }


def combine(source: Json, target: Json, linked: str) -> None:
    """Let a case be combined into another: its first charge comes to the other's last appearance."""
    source["combinedCaseId"] = target["id"]
    target["sourceCombinedCaseIds"] = [*target["sourceCombinedCaseIds"], source["id"]]
    event = target["courtEvents"][-1]
    first = source["courtEvents"][0]["courtEventCharges"][0]
    copied = {key: value for key, value in first.items() if key not in ("resultCode1", "modifiedByUsername")}
    copied |= {
        "eventId": event["id"],
        "linkedCaseDetails": {"caseId": source["id"], "eventId": event["id"], "dateLinked": linked},
    }
    event["courtEventCharges"].append(copied)


def _charge(charge_id: int, draw: int) -> Json:
    code = tuple(OFFENCES)[draw % len(OFFENCES)]
    return {
        "id": charge_id,
        "offence": {"offenceCode": code, "statuteCode": code[:4], "description": OFFENCES[code]},
    }


def _event(
    case_id: int, place: int, charges: list[Json], made: datetime, drawn: tuple[int, ...], *, last: bool
) -> Json:
    event_id = case_id * MOST_PARTS + place
    when = made.replace(hour=10, minute=(drawn[15] + place * 10) % 60, second=0) + timedelta(days=28 * place)
    if drawn[16] % 11 == place:
        when = when.replace(second=drawn[17] % 60)
    user = f"CLERK{drawn[18] % 9 + 1}"
    event: Json = {
        "id": event_id,
        "caseId": case_id,
        "eventDateTime": when.isoformat(),
        "courtId": _COURTS[(drawn[19] + place) % len(_COURTS)],
        "courtEventType": coded("CRT", "Court Appearance"),
        "createdByUsername": user,
    }
    final = "1002" if drawn[12] % 3 else "2050"
    if not last:
        event["nextEventDateTime"] = (when + timedelta(days=28)).isoformat()
        event["outcomeReasonCode"] = result("4531" if drawn[20] % 3 == 0 else "4506")
    elif drawn[21] % 6:
        event["outcomeReasonCode"] = result(final)
    if drawn[22] % 4 == place:
        event["commentText"] = ("by video link", "Interpreter booked", "List early")[drawn[23] % 3]
    shown = charges if place or len(charges) == 1 else charges[:-1]
    event["courtEventCharges"] = []
    for number, charge in enumerate(shown):
        there = event_charge(event_id, charge, made.date() - timedelta(days=10 + drawn[24] % 90 + number), user)
        if last and drawn[21] % 6:
            there["resultCode1"] = result(final)
        if drawn[25] % 7 == number:
            there["offenceEndDate"] = (made.date() - timedelta(days=5)).isoformat()
        event["courtEventCharges"].append(there)
    return event


def _references(made: datetime, drawn: tuple[int, ...]) -> list[Json]:
    number = f"{made:%y}{drawn[26] % 90_000 + 10_000}"
    found = [{"type": "CASE/INFO#", "reference": f"LS{number}", "createDateTime": made.isoformat()}]
    if drawn[27] % 3 == 0:
        later = (made + timedelta(days=1)).isoformat()
        found.append({"type": "CROWN", "reference": f"T{number}", "createDateTime": later})
    return found if drawn[27] % 8 else []


def _sentences(
    case: Json, charges: list[Json], event: Json, made: datetime, sequence: int, drawn: tuple[int, ...]
) -> list[Json]:
    on_event = [each["offenderCharge"] for each in event["courtEventCharges"]]
    covered = [on_event[:2], on_event[2:3]] if drawn[28] % 10 == 0 else [[charge] for charge in on_event]
    found: list[Json] = []
    for place, part in enumerate(part for part in covered if part):
        number = sequence + place + 1
        calculation = _DRAWN_CALCULATIONS[(drawn[29] + place) % len(_DRAWN_CALCULATIONS)]
        created = datetime.fromisoformat(event["eventDateTime"]) + timedelta(hours=2, minutes=drawn[30] % 60)
        sentence: Json = {
            "bookingId": case["bookingId"],
            "sentenceSeq": number,
            "status": "I" if drawn[31] % 6 == 0 else "A",
            "calculationType": coded(calculation, _CALCULATIONS[calculation]),
            "category": coded("2020", "2020"),
            "courtOrder": {"id": event["id"] + 500_000_000, "eventId": event["id"]},
            "lineSequence": number,
            "createdDateTime": created.isoformat(),
            "createdByUsername": f"CLERK{drawn[18] % 9 + 1}",
            "offenderCharges": part,
            "sentenceTerms": [_term(1, calculation, drawn)],
        }
        if place and drawn[30] % 2:
            sentence["consecSequence"] = number - 1
        if drawn[29] % 13 == 0:
            sentence["fineAmount"] = 50.0 * (1 + place)
        if calculation == RECALL:
            returned = (created.date() + timedelta(days=200)).isoformat()
            sentence["recallCustodyDate"] = {"returnToCustodyDate": returned, "recallLength": 14}
        if drawn[28] % 9 == 1:
            sentence["sentenceTerms"].append(_term(2, "LIC", drawn))
        found.append(sentence)
    return found


def _term(sequence: int, calculation: str, drawn: tuple[int, ...]) -> Json:
    life = calculation == "LIFE"
    term: Json = {
        "termSequence": sequence,
        "sentenceTermType": coded("LIC", "Licence") if calculation == "LIC" else coded("IMP", "Imprisonment"),
        "lifeSentenceFlag": life,
        "createdByUsername": f"CLERK{drawn[11] % 9 + 1}",
    }
    if not life:
        term |= {"years": drawn[14] % 6, "months": drawn[15] % 12}
    return term
