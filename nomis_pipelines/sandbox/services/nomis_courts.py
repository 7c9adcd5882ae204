"""NOMIS: court cases and what belongs to them (court sentencing card, section 3)."""

from pydantic import TypeAdapter

from nomis_pipelines.sandbox.answers import Answer, Refusal, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.data.courts import Json
from nomis_pipelines.sandbox.reading import path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.nomis_courts import NomisCourts
from nomis_pipelines.sandbox.tokens import NOMIS_ROLES

_IDS = TypeAdapter(list[int])
_PRISONER = "/prisoners/{offenderNo}"
_CASES = _PRISONER + "/sentencing/court-cases"
_EVENTS = _PRISONER + "/sentencing/court-appearances"


def add_courts(router: Router, courts: NomisCourts) -> None:
    """Serve court cases, appearances, charges, sentences and terms."""
    _add_cases(router, courts)
    _add_parts(router, courts)
    _add_sentences(router, courts)


def _add_cases(router: Router, courts: NomisCourts) -> None:
    def of_prisoner(request: Request) -> list[Json]:
        found = courts.of_prisoner(request.parameters[0])
        if found is None:
            raise Refusal(not_found(f"Prisoner {request.parameters[0]} not found"))
        return found

    def one(request: Request) -> Answer:
        case_id = path_integer("caseId", request.parameters[1])
        return _found(next((case for case in of_prisoner(request) if case["id"] == case_id), None), f"case {case_id}")

    def of_anybody(request: Request) -> Answer:
        case_id = path_integer("caseId", request.parameters[0])
        return _found(courts.case(case_id), f"case {case_id}")

    def some(request: Request) -> Answer:
        wanted = read_body(_IDS, request)
        cases = {case["id"]: case for case in of_prisoner(request)}
        missing = [case_id for case_id in wanted if case_id not in cases]
        if missing:
            return not_found(f"court cases {missing} not found")
        return json_answer([cases[case_id] for case_id in wanted])

    def after_merge(request: Request) -> Answer:
        of_prisoner(request)
        merge = courts.merge_of(request.parameters[0])
        return bad_request("Prisoner has not been merged") if merge is None else json_answer(merge)

    router.add("GET", _CASES, lambda request: json_answer(of_prisoner(request)), roles=NOMIS_ROLES)
    router.add("GET", _CASES + "/post-merge", after_merge, roles=NOMIS_ROLES)
    router.add("POST", _CASES + "/get-list", some, roles=NOMIS_ROLES)
    router.add("GET", _CASES + "/{caseId}", one, roles=NOMIS_ROLES)
    router.add("GET", "/court-cases/{caseId}", of_anybody, roles=NOMIS_ROLES)


def _add_parts(router: Router, courts: NomisCourts) -> None:
    def event(request: Request) -> Answer:
        event_id = path_integer("eventId", request.parameters[1])
        return _found(courts.event(request.parameters[0], event_id), f"court appearance {event_id}")

    def event_charge(request: Request) -> Answer:
        number, event_text, charge_text = request.parameters
        charge_id = path_integer("chargeId", charge_text)
        found = courts.event(number, path_integer("eventId", event_text)) or {"courtEventCharges": []}
        there = (each for each in found["courtEventCharges"] if each["offenderCharge"]["id"] == charge_id)
        return _found(next(there, None), f"charge {charge_id} on court appearance {event_text}")

    def charge(request: Request) -> Answer:
        charge_id = path_integer("chargeId", request.parameters[1])
        return _found(courts.charge(request.parameters[0], charge_id), f"charge {charge_id}")

    router.add("GET", _EVENTS + "/{eventId}", event, roles=NOMIS_ROLES)
    router.add("GET", _EVENTS + "/{eventId}/charges/{chargeId}", event_charge, roles=NOMIS_ROLES)
    router.add("GET", _PRISONER + "/sentencing/offender-charges/{chargeId}", charge, roles=NOMIS_ROLES)


def _add_sentences(router: Router, courts: NomisCourts) -> None:
    def of_case(request: Request) -> Answer:
        case_id, sequence = (path_integer("id", text) for text in request.parameters[1:])
        case = courts.case(case_id) or {"sentences": []}
        found = (each for each in case["sentences"] if each["sentenceSeq"] == sequence)
        return _found(next(found, None), f"sentence {sequence} of court case {case_id}")

    def of_booking(request: Request) -> Answer:
        booking_id, sequence = (path_integer("id", text) for text in request.parameters)
        return _found(courts.sentence(booking_id, sequence), f"sentence {booking_id}/{sequence}")

    def recalls(request: Request) -> Answer:
        booking_id = path_integer("bookingId", request.parameters[0])
        return _found(courts.recalls(booking_id), f"booking {booking_id}")

    def term(request: Request) -> Answer:
        booking_id, sequence, number = (path_integer("id", text) for text in request.parameters[1:])
        sentence = courts.sentence(booking_id, sequence) or {"sentenceTerms": []}
        found = (each for each in sentence["sentenceTerms"] if each["termSequence"] == number)
        return _found(next(found, None), f"term {booking_id}/{sequence}/{number}")

    router.add("GET", _PRISONER + "/court-cases/{caseId}/sentences/{sentenceSequence}", of_case, roles=NOMIS_ROLES)
    booking = "/prisoners/booking-id/{bookingId}/sentences"
    router.add("GET", booking + "/recall", recalls, roles=NOMIS_ROLES)
    router.add("GET", booking + "/{sentenceSequence}", of_booking, roles=NOMIS_ROLES)
    terms = "/sentence-terms/booking-id/{bookingId}/sentence-sequence/{sentenceSequence}/term-sequence/{termSequence}"
    router.add("GET", _PRISONER + terms, term, roles=NOMIS_ROLES)


def _found(value: object | None, what: str) -> Answer:
    return not_found(f"{what} not found") if value is None else json_answer(value)
