"""The remand and sentencing service, as far as we see it (court sentencing card, section 4)."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json

from nomis_pipelines.contracts.court_sentencing import (
    LegacyCharge,
    LegacyCourtAppearance,
    LegacyCourtCase,
    LegacyPeriodLength,
    LegacySentence,
    LegacyUpdateCharge,
    LinkCharge,
    MergePrisoner,
    PrisonerCourtCases,
    RefreshCaseReferences,
    UpdateWholeCharge,
)
from nomis_pipelines.sandbox.answers import NO_CONTENT, OK, Answer, Refusal, error, json_answer, not_found
from nomis_pipelines.sandbox.reading import Query
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.court_book import (
    Json,
    appearance_fields,
    case_fields,
    charge_there,
    sentence_fields,
    term_fields,
)
from nomis_pipelines.sandbox.stores.dps_courts import DpsCourts
from nomis_pipelines.sandbox.tokens import COURT_SENTENCING_ROLES

PATH = "/legacy"
Change = Callable[[Json, str, Json], Answer | None]
"""What a call does to a book: the book, the id in the path, the body; an answer of its own, if it has one."""


def build(courts: DpsCourts) -> Router:
    """The routing table of the service."""
    router = Router()
    add_health(router)
    _add_whole(router, courts)
    _add_cases(router, courts)
    _add_appearances(router, courts)
    _add_charges(router, courts)
    _add_sentences(router, courts)
    return router


def _read(model: type[Any], request: Request) -> Json:
    """A body as it came, after the contract has been held against it: UUIDs and dates come as text."""
    adapter = TypeAdapter(model)
    try:
        adapter.validate_json(request.body, by_alias=True, by_name=False)
    except ValueError:
        raise Refusal(error(400, "Validation failure", f"the body is no {model.__name__}")) from None
    return from_json(request.body)


def _owner(courts: DpsCourts, dps_id: str, what: str) -> str:
    prisoner = courts.owner(dps_id)
    if prisoner is None:
        raise Refusal(not_found(f"No {what} found at {dps_id}"))
    return prisoner


def _held(book: Json, part: str, dps_id: str) -> Json:
    found = book[part].get(dps_id)
    if found is None:
        raise Refusal(not_found(f"No record of {part} found at {dps_id}"))
    return found


def _changer(courts: DpsCourts, part: str, model: type[Any] | None, work: Change) -> Callable[[Request], Answer]:
    """A call on one record of `part`, named first in the path."""

    def change(request: Request) -> Answer:
        dps_id = request.parameters[0]
        body = _read(model, request) if model is not None else {}
        with courts.changing(_owner(courts, dps_id, part)) as book:
            _held(book, part, dps_id)
            return work(book, dps_id, body) or NO_CONTENT

    return change


def _deleter(courts: DpsCourts, part: str) -> Callable[[Request], Answer]:
    def delete(book: Json, dps_id: str, _body: Json) -> None:
        del book[part][dps_id]
        if part == "appearances":
            for charge in book["charges"].values():
                charge["on"].pop(dps_id, None)

    return _changer(courts, part, None, delete)


def _add_whole(router: Router, courts: DpsCourts) -> None:
    def migrate(request: Request) -> Answer:
        body = _read(PrisonerCourtCases, request)
        replace = Query(request).flag("deleteExisting", False)
        return json_answer(courts.add_whole(body["prisonerId"], body["courtCases"], delete_existing=replace), 201)

    def booking(request: Request) -> Answer:
        body = _read(PrisonerCourtCases, request)
        return json_answer(courts.add_whole(body["prisonerId"], body["courtCases"]), 201)

    def merge(request: Request) -> Answer:
        retained, body = request.parameters[0], _read(MergePrisoner, request)
        courts.merge(retained, body["removedPrisonerNumber"])
        with courts.changing(retained) as book:
            for part, rows, name in (
                ("cases", body["casesDeactivated"], "dpsCourtCaseUuid"),
                ("sentences", body["sentencesDeactivated"], "dpsSentenceUuid"),
            ):
                for row in rows:
                    _held(book, part, row[name])["active"] = row["active"]
        return json_answer(courts.add_whole(retained, body["casesCreated"]), 201)

    router.add("POST", PATH + "/court-case/migration", migrate, roles=COURT_SENTENCING_ROLES)
    router.add("POST", PATH + "/court-case/booking", booking, roles=COURT_SENTENCING_ROLES)
    path = PATH + "/court-case/merge/person/{retainedPrisonerNumber}"
    router.add("POST", path, merge, roles=COURT_SENTENCING_ROLES)


def _add_cases(router: Router, courts: DpsCourts) -> None:
    def create(request: Request) -> Answer:
        body = _read(LegacyCourtCase, request)
        prisoner = body["prisonerId"]
        with courts.changing(prisoner) as book:
            dps_id = courts.new_id(prisoner, book)
            book["cases"][dps_id] = {"nomis": None, **case_fields(body)}
        return json_answer({"courtCaseUuid": dps_id}, 201)

    def update(book: Json, dps_id: str, body: Json) -> None:
        book["cases"][dps_id] |= case_fields(body)

    def refresh(book: Json, dps_id: str, body: Json) -> None:
        book["cases"][dps_id]["caseReferences"] = body["caseReferences"]

    def reconciliation(request: Request) -> Answer:
        dps_id = request.parameters[0]
        book = courts.book(_owner(courts, dps_id, "court case"))
        _held(book, "cases", dps_id)
        appearances = [{"appearanceUuid": key} for key, each in book["appearances"].items() if each["case"] == dps_id]
        return json_answer({"courtCaseUuid": dps_id, "appearances": appearances})

    def link(*, linked: bool) -> Callable[[Request], Answer]:
        def change(request: Request) -> Answer:
            source, target = request.parameters
            with courts.changing(_owner(courts, source, "court case")) as book:
                _held(book, "cases", target)
                _held(book, "cases", source)["linkedTo"] = target if linked else None
            return NO_CONTENT

        return change

    path = PATH + "/court-case"
    one, links = path + "/{courtCaseUuid}", path + "/{sourceCourtCaseUuid}"
    add = _adder(router)
    add("POST", path, create)
    add("PUT", one, _changer(courts, "cases", LegacyCourtCase, update))
    add("DELETE", one, _deleter(courts, "cases"))
    add("GET", one + "/reconciliation", reconciliation)
    add("PUT", one + "/case-references/refresh", _changer(courts, "cases", RefreshCaseReferences, refresh))
    add("PUT", links + "/link/{targetCourtCaseUuid}", link(linked=True))
    add("PUT", links + "/unlink/{targetCourtCaseUuid}", link(linked=False))


def _add_appearances(router: Router, courts: DpsCourts) -> None:
    def create(request: Request) -> Answer:
        body = _read(LegacyCourtAppearance, request)
        prisoner = _owner(courts, body["courtCaseUuid"], "court case")
        with courts.changing(prisoner) as book:
            _held(book, "cases", body["courtCaseUuid"])
            dps_id = courts.new_id(prisoner, book)
            book["appearances"][dps_id] = {"nomis": None, **appearance_fields(body)}
        return json_answer(
            {"lifetimeUuid": dps_id, "courtCaseUuid": body["courtCaseUuid"], "prisonerId": prisoner}, 201
        )

    def update(book: Json, dps_id: str, body: Json) -> None:
        book["appearances"][dps_id] |= appearance_fields(body)

    def one(request: Request) -> Answer:
        dps_id = request.parameters[0]
        prisoner = _owner(courts, dps_id, "court appearance")
        book = courts.book(prisoner)
        appearance = _held(book, "appearances", dps_id)
        charges = [
            {"lifetimeUuid": key, "offenceCode": each["on"][dps_id].get("offenceCode")}
            for key, each in book["charges"].items()
            if dps_id in each["on"]
        ]
        case = appearance["case"]
        return json_answer({"lifetimeUuid": dps_id, "courtCaseUuid": case, "prisonerId": prisoner, "charges": charges})

    path = PATH + "/court-appearance"
    add = _adder(router)
    add("POST", path, create)
    add("GET", path + "/{lifetimeUuid}", one)
    add("PUT", path + "/{lifetimeUuid}", _changer(courts, "appearances", LegacyCourtAppearance, update))
    add("DELETE", path + "/{lifetimeUuid}", _deleter(courts, "appearances"))


def _add_charges(router: Router, courts: DpsCourts) -> None:
    def create(request: Request) -> Answer:
        body = _read(LegacyCharge, request)
        appearance = body["appearanceLifetimeUuid"]
        prisoner = _owner(courts, appearance, "court appearance")
        with courts.changing(prisoner) as book:
            case = _held(book, "appearances", appearance)["case"]
            dps_id = courts.new_id(prisoner, book)
            book["charges"][dps_id] = {"nomis": None, "on": {appearance: charge_there(body)}}
        return json_answer({"lifetimeUuid": dps_id, "courtCaseUuid": case, "prisonerId": prisoner}, 201)

    def update_offence(book: Json, dps_id: str, body: Json) -> None:
        for there in book["charges"][dps_id]["on"].values():
            there["offenceCode"] = body["offenceCode"]

    def on_appearance(
        work: Change, model: type[Any] | None, *, charge_first: bool = False
    ) -> Callable[[Request], Answer]:
        """A call on a charge as at one appearance; `work` gets both ids with a blank between."""

        def change(request: Request) -> Answer:
            appearance, charge = request.parameters[::-1] if charge_first else request.parameters
            body = _read(model, request) if model is not None else {}
            with courts.changing(_owner(courts, appearance, "court appearance")) as book:
                _held(book, "appearances", appearance)
                _held(book, "charges", charge)
                return work(book, f"{appearance} {charge}", body) or NO_CONTENT

        return change

    def put(book: Json, ids: str, body: Json) -> None:
        appearance, charge = ids.split()
        on = book["charges"][charge]["on"]
        known = on.get(appearance, {})
        on[appearance] = charge_there(body) | {key: known[key] for key in known if key.startswith("mergedFrom")}

    def take_off(book: Json, ids: str, _body: Json) -> Answer:
        appearance, charge = ids.split()
        if appearance not in book["charges"][charge]["on"]:
            raise Refusal(not_found(f"No charge {charge} found at {appearance}"))
        del book["charges"][charge]["on"][appearance]
        return OK

    def link(book: Json, ids: str, body: Json) -> None:
        appearance, charge = ids.split()
        there = book["charges"][charge]["on"].setdefault(appearance, {})
        there |= {"mergedFromCase": body["sourceCourtCaseUuid"], "mergedFromDate": body["linkedDate"]}

    there = PATH + "/court-appearance/{lifetimeUuid}/charge/{chargeLifetimeUuid}"
    add = _adder(router)
    add("POST", PATH + "/charge", create)
    add("PUT", PATH + "/charge/{lifetimeUuid}", _changer(courts, "charges", UpdateWholeCharge, update_offence))
    add("PUT", there, on_appearance(put, LegacyUpdateCharge))
    add("DELETE", there, on_appearance(take_off, None))
    add("PUT", there + "/link", on_appearance(link, LinkCharge))
    path = PATH + "/charge/{lifetimeUuid}/appearance/{appearanceLifetimeUuid}"
    add("PUT", path, on_appearance(put, LegacyUpdateCharge, charge_first=True))


def _add_sentences(router: Router, courts: DpsCourts) -> None:
    def create_sentence(request: Request) -> Answer:
        body = _read(LegacySentence, request)
        prisoner = _owner(courts, body["appearanceUuid"], "court appearance")
        with courts.changing(prisoner) as book:
            _held(book, "appearances", body["appearanceUuid"])
            for charge in body["chargeUuids"]:
                _held(book, "charges", charge)
            dps_id = courts.new_id(prisoner, book)
            book["sentences"][dps_id] = {"nomis": None, **sentence_fields(body)}
        return json_answer({"lifetimeUuid": dps_id, "prisonerId": prisoner}, 201)

    def update_sentence(book: Json, dps_id: str, body: Json) -> None:
        book["sentences"][dps_id] |= sentence_fields(body)

    def create_term(request: Request) -> Answer:
        body = _read(LegacyPeriodLength, request)
        prisoner = _owner(courts, body["sentenceUuid"], "sentence")
        with courts.changing(prisoner) as book:
            _held(book, "sentences", body["sentenceUuid"])
            dps_id = courts.new_id(prisoner, book)
            book["terms"][dps_id] = {"nomis": None, **term_fields(body)}
        return json_answer({"periodLengthUuid": dps_id, "prisonerId": prisoner}, 201)

    def update_term(book: Json, dps_id: str, body: Json) -> None:
        book["terms"][dps_id] = {"nomis": book["terms"][dps_id]["nomis"], **term_fields(body)}

    add = _adder(router)
    add("POST", PATH + "/sentence", create_sentence)
    add("PUT", PATH + "/sentence/{lifetimeUuid}", _changer(courts, "sentences", LegacySentence, update_sentence))
    add("DELETE", PATH + "/sentence/{lifetimeUuid}", _deleter(courts, "sentences"))
    add("POST", PATH + "/period-length", create_term)
    path = PATH + "/period-length/{periodLengthUuid}"
    add("PUT", path, _changer(courts, "terms", LegacyPeriodLength, update_term))
    add("DELETE", path, _deleter(courts, "terms"))


def _adder(router: Router) -> Callable[[str, str, Callable[[Request], Answer]], None]:
    def add(method: str, path: str, handler: Callable[[Request], Answer]) -> None:
        router.add(method, path, handler, roles=COURT_SENTENCING_ROLES)

    return add
