"""The incidents of NOMIS: functions of the world and an id, like the visits. One for ten visits, in order of creation.

What an incident has of each kind of part differs: none, one, or several; every tenth had another type before.
"""

from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from nomis_pipelines.sandbox.data.people import full_name, offender_no
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

FIRST_INCIDENT = 500_001
VISITS_AN_INCIDENT = 10

TYPES = {
    "FIRE": "Fire", "ASSAULT": "Assault", "ATT_ESC_E": "Attempted escape under escort", "DRUGS": "Drug find",
    "DAMAGE": "Damage", "SELF_HARM": "Self harm",
}  # fmt: skip
STATUSES = {
    "AWAN": "Awaiting Analysis", "INAN": "In Analysis", "INREQ": "Information Required",
    "INAME": "Information Amended", "PIU": "Post Incident Update", "IUP": "Incident Updated", "CLOSE": "Closed",
    "DUP": "Duplicate (Created In Error)",
}  # fmt: skip
STAFF_ROLES = {"AI": "Actively Involved", "ASS": "Assisting", "WIT": "Witness"}
PRISONER_ROLES = {"PERP": "Perpetrator", "VICT": "Victim", "ACTINV": "Active Involvement", "PRES": "Present at scene"}
OUTCOMES = {"ACCT": "Open ACCT", "POR": "Placed on Report"}
QUESTIONS = (
    "Was the fire service called?", "Is any member of staff facing disciplinary charges?", "Where did it happen?",
    "What was used?", "Was medical treatment required?",
)  # fmt: skip
_STAFF_COUNTS, _PRISONER_COUNTS, _QUESTION_COUNTS = (0, 1, 1, 2), (0, 1, 2, 2, 3), (1, 2, 3, 5)
_REQUIREMENT_COUNTS, _ANSWER_COUNTS = (0, 0, 1, 2), (0, 1, 1, 2)
_TEXTS = (None, "Moved to the healthcare unit — see log", "", "Seen by the duty governor", "Café area, 2nd landing")
_STAFF = 400

Incident = dict[str, Any]
T = TypeVar("T")


class IncidentData:
    """All incidents of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = max(20, world.visits // VISITS_AN_INCIDENT)
        self.timeline = Timeline(world, self.count)
        self.prisoners = max(500, world.visits // 12)

    def id_at(self, place: int) -> int:
        """The incident at a place of the list (from 0)."""
        return FIRST_INCIDENT + place

    def range(self, first: date | None, last: date | None) -> tuple[int, int]:
        """The first place of the list made on or after `first`, and the first one made after `last`."""
        begin, end = 1, self.count + 1
        if first is not None:
            begin = self._first_from(first)
        if last is not None:
            end = self._first_from(last + timedelta(days=1))
        return begin - 1, max(begin, end) - 1

    def incident(self, incident_id: int) -> Incident | None:
        """An incident as NOMIS gives it (incidents card, section 3.1), nulls left out; None for none."""
        number = incident_id - FIRST_INCIDENT + 1
        if not 1 <= number <= self.count:
            return None
        drawn = draws(self.world.key, b"incident", number)
        created = self.timeline.created(number).replace(microsecond=0)
        prison = tuple(PRISONS)[drawn[0] % len(PRISONS)]
        kind = _of(tuple(TYPES), drawn[1])
        incident: Incident = {
            "incidentId": incident_id,
            "questionnaireId": _questionnaire(kind),
            "title": TYPES[kind],
            "type": kind,
            "agency": {"code": prison, "description": f"HMP {prison}"},
            "status": _status(drawn[2]),
            "lockedResponse": drawn[3] % 12 == 0,
            "incidentDateTime": _text(created - timedelta(minutes=drawn[4] % 3000)),
            "reportedDateTime": _text(created - timedelta(minutes=drawn[4] % 50)),
            "reportingStaff": staff(drawn[5]),
            "staffParties": self._staff_parties(drawn[6], created),
            "offenderParties": self._prisoner_parties(drawn[7], created),
            "requirements": _requirements(drawn[8], created, prison),
            "questions": _questions(incident_id, drawn[9], created),
            "history": _history(incident_id, drawn[10], created, kind),
            **_audit(drawn[11], created),
        }
        description = _of(_TEXTS, drawn[12])
        if description is not None:
            incident["description"] = description
        if drawn[13] % 5 == 0:
            incident["followUpDate"] = (created + timedelta(days=drawn[13] % 30)).date().isoformat()
        return incident

    def _first_from(self, day: date) -> int:
        return self.timeline.first_at_or_after(self.timeline.milliseconds(datetime.combine(day, time.min)))

    def _staff_parties(self, draw: int, created: datetime) -> list[Incident]:
        return [
            {
                "staff": staff(draw + place),
                "sequence": 1000 + place,
                "role": _code(STAFF_ROLES, draw + place),
                **_comment(draw + place),
                **_audit(draw + place, created),
            }
            for place in range(_of(_STAFF_COUNTS, draw))
        ]

    def _prisoner_parties(self, draw: int, created: datetime) -> list[Incident]:
        # one in eight names the same prisoner twice
        step = 0 if draw % 8 == 0 else 1
        return [
            {
                "offender": self._prisoner(draw + place * step),
                "sequence": 2000 + place,
                "role": _code(PRISONER_ROLES, draw + place),
                **({"outcome": _code(OUTCOMES, draw)} if draw % 3 == 0 else {}),
                **_comment(draw + place),
                **_audit(draw + place, created),
            }
            for place in range(_of(_PRISONER_COUNTS, draw))
        ]

    def _prisoner(self, draw: int) -> Incident:
        prisoner = draw % self.prisoners
        return {"offenderNo": offender_no(prisoner), **_names(full_name(prisoner * 31))}


def staff(draw: int) -> Incident:
    """A member of staff, with what the card says is not used; one in forty has no account."""
    number = draw % _STAFF
    username = "unknown" if number % 40 == 0 else f"STAFF{number}_GEN"
    return {
        "username": username,
        "staffId": 9_000 + number,
        **_names(full_name(number * 17)),
        "createdByUsername": "SYS",
    }


def _requirements(draw: int, created: datetime, prison: str) -> list[Incident]:
    return [
        {
            "sequence": place,
            "recordedDate": _text(created + timedelta(days=place + 1)),
            "staff": staff(draw + place),
            "agencyId": prison,
            **_comment(draw + place + 1),
            **_audit(draw + place, created),
        }
        for place in range(_of(_REQUIREMENT_COUNTS, draw))
    ]


def _questions(incident_id: int, draw: int, created: datetime) -> list[Incident]:
    return [
        {
            "questionId": 3_000 + (draw + place) % len(QUESTIONS),
            "sequence": place + 1,
            "question": _of(QUESTIONS, draw + place),
            "hasMultipleAnswers": place % 2 == 1,
            "answers": _answers(incident_id, draw + place, place, created),
            "createDateTime": _text(created),
            "createdBy": f"STAFF{draw % _STAFF}_GEN",
        }
        for place in range(_of(_QUESTION_COUNTS, draw))
    ]


def _answers(incident_id: int, draw: int, question: int, created: datetime) -> list[Incident]:
    answers: list[Incident] = []
    for place in range(_of(_ANSWER_COUNTS, draw)):
        answer: Incident = {
            "sequence": question * 10 + place + 1,
            "recordingStaff": staff(draw),
            **_comment(draw + place),
            **_audit(draw + place, created),
        }
        if draw % 6:
            answer |= {
                "questionResponseId": incident_id * 100 + question * 10 + place,
                "answer": "Yes" if draw % 2 else "No",
            }
        if draw % 5 == 1:
            answer["responseDate"] = created.date().isoformat()
        answers.append(answer)
    return answers


def _history(incident_id: int, draw: int, created: datetime, kind: str) -> list[Incident]:
    if draw % 10:
        return []
    earlier = next(other for other in TYPES if other != kind)
    answer: Incident = {
        "questionResponseId": incident_id * 100 + 99,
        "responseSequence": 1,
        "answer": "No",
        "responseDate": created.date().isoformat(),
        "recordingStaff": staff(draw),
        **_comment(draw),
    }
    question = {"questionId": 3_000, "sequence": 1, "question": QUESTIONS[0], "answers": [answer]}
    return [
        {
            "questionnaireId": _questionnaire(earlier),
            "type": earlier,
            "description": TYPES[earlier],
            "questions": [question],
            "incidentChangeDateTime": _text(created + timedelta(hours=1)),
            "incidentChangeStaff": staff(draw + 1),
            "createDateTime": _text(created),
            "createdBy": f"STAFF{draw % _STAFF}_GEN",
        }
    ]


def _status(draw: int) -> Incident:
    code = _of(tuple(STATUSES), draw)
    return {
        "code": code,
        "description": STATUSES[code],
        "listSequence": list(STATUSES).index(code),
        "standardUser": code not in {"CLOSE", "DUP"},
        "enhancedUser": True,
    }


def _audit(draw: int, created: datetime) -> Incident:
    audit: Incident = {"createDateTime": _text(created), "createdBy": f"STAFF{draw % _STAFF}_GEN"}
    if draw % 3 == 0:
        changed = _text(created + timedelta(minutes=1 + draw % 5000))
        audit |= {"lastModifiedDateTime": changed, "lastModifiedBy": f"STAFF{(draw + 1) % _STAFF}_GEN"}
    return audit


def _comment(draw: int) -> Incident:
    comment = _of(_TEXTS, draw)
    return {} if comment is None else {"comment": comment}


def _code(table: dict[str, str], draw: int) -> Incident:
    code = _of(tuple(table), draw)
    return {"code": code, "description": table[code]}


def _names(name: str) -> Incident:
    first, _, last = name.upper().partition(" ")
    return {"firstName": first, "lastName": last}


def _questionnaire(kind: str) -> int:
    return 70 + list(TYPES).index(kind)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _of(values: tuple[T, ...], draw: int) -> T:
    return values[draw % len(values)]
