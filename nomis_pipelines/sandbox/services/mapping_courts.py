"""The mapping service's part that is about court sentencing (court sentencing card, section 2)."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.nomis_mapping_service import NomisSentenceId
from nomis_pipelines.sandbox.answers import (
    CREATED,
    NO_CONTENT,
    OK,
    Answer,
    classic_page,
    duplicate_mapping,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.reading import Query, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.court_mappings import CourtMappings, Key
from nomis_pipelines.sandbox.stores.mappings import Pair
from nomis_pipelines.sandbox.tokens import MAPPING_ROLES, ROOM_ROLES

PATH = "/mapping/court-sentencing"
MappingType = Literal["MIGRATED", "DPS_CREATED", "NOMIS_CREATED"]


class _Mapping(BaseModel):
    """What every pair may have."""

    model_config = ConfigDict(alias_generator=to_camel)

    label: str | None = None
    mapping_type: MappingType | None = None
    when_created: str | None = None


class _Kind:
    """How one kind of pair is spelt in paths and bodies."""

    def __init__(self, name: str, nomis: tuple[str, ...], dps: str, segment: str, find: str, batch: str) -> None:
        self.name, self.nomis, self.dps, self.segment, self.find, self.batch = name, nomis, dps, segment, find, batch
        integers: dict[str, Any] = {_snake(field): (int, ...) for field in nomis}
        lists: dict[str, Any] = {}
        if name == "case":
            empty = (list[Any], [])
            lists = {"court_appearances": empty, "court_charges": empty, "sentences": empty, "offender_no": (str, "")}
        self.model: type[_Mapping] = create_model(
            f"{name.title()}Pair", __base__=_Mapping, **integers, **{_snake(dps): (str, ...)}, **lists
        )

    def read(self, body: _Mapping, default: str) -> tuple[Key, str, str]:
        """Key, DPS id and type of a body."""
        ids = tuple(getattr(body, _snake(field)) for field in self.nomis)
        key: Any = (self.name, *ids)
        return key, getattr(body, _snake(self.dps)), body.mapping_type or default

    def as_json(self, key: Key, pair: Pair) -> dict[str, Any]:
        """A pair as the service gives it."""
        return {
            **dict(zip(self.nomis, key[1:], strict=True)),
            self.dps: pair.dps_id,
            "label": pair.label,
            "mappingType": pair.mapping_type,
            "whenCreated": pair.when_created or None,
        }


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_SENTENCE = ("nomisBookingId", "nomisSentenceSequence")
_BY_SEQUENCE = "nomis-booking-id/{bookingId}/nomis-sentence-sequence/{sentenceSequence}"
KINDS = {
    kind.name: kind
    for kind in (
        _Kind("case", ("nomisCourtCaseId",), "dpsCourtCaseId", "court-cases", "nomis-court-case-id/{id}", "courtCases"),
        _Kind(
            "appearance", ("nomisCourtAppearanceId",), "dpsCourtAppearanceId", "court-appearances",
            "nomis-court-appearance-id/{id}", "courtAppearances",
        ),
        _Kind(
            "charge", ("nomisCourtChargeId",), "dpsCourtChargeId", "court-charges", "nomis-court-charge-id/{id}",
            "courtCharges",
        ),
        _Kind("sentence", _SENTENCE, "dpsSentenceId", "sentences", _BY_SEQUENCE, "sentences"),
        _Kind(
            "term", (*_SENTENCE, "nomisTermSequence"), "dpsTermId", "sentence-terms",
            _BY_SEQUENCE + "/nomis-term-sequence/{termSequence}", "sentenceTerms",
        ),
    )
}  # fmt: skip
_DELETE = {
    "case": "dps-court-case-id", "appearance": "dps-court-appearance-id", "sentence": "dps-sentence-id",
    "term": "dps-term-id",
}  # fmt: skip
_make_model: Any = create_model
_BATCH: TypeAdapter[Any] = TypeAdapter(
    _make_model(
        "Batch",
        __base__=_Mapping,
        mapping_type=(MappingType, ...),
        **{_snake(kind.batch): (list[kind.model], ...) for kind in KINDS.values()},
    )
)
_IDS = TypeAdapter(list[int])
_SENTENCES = TypeAdapter(list[NomisSentenceId])


def add_courts(router: Router, table: CourtMappings) -> None:
    """Serve `/mapping/court-sentencing`."""
    for kind in KINDS.values():
        _add_kind(router, table, kind)
    _add_lists(router, table)
    _add_batches(router, table)


def _add_kind(router: Router, table: CourtMappings, kind: _Kind) -> None:
    adapter = TypeAdapter(kind.model)

    def find(request: Request) -> Answer:
        key: Any = (kind.name, *(path_integer("id", text) for text in request.parameters))
        pair = table.pairs.get(key)
        return not_found(f"{kind.name} mapping {key}") if pair is None else json_answer(kind.as_json(key, pair))

    def create(request: Request) -> Answer:
        body = read_body(adapter, request)
        key, dps_id, mapping_type = kind.read(body, "DPS_CREATED")
        known = table.pairs.add(key, dps_id, body.label, mapping_type)
        if known is None:
            return CREATED
        posted = kind.as_json(key, Pair(dps_id, body.label, mapping_type, ""))
        return duplicate_mapping(KINDS[known[0][0]].as_json(*known), posted)

    def remove(request: Request) -> Answer:
        table.pairs.remove_dps_id(request.parameters[0])
        return NO_CONTENT

    path = f"{PATH}/{kind.segment}"
    router.add("GET", f"{path}/{kind.find}", find, roles=MAPPING_ROLES)
    router.add("POST", path, create, roles=MAPPING_ROLES)
    if kind.name in _DELETE:
        router.add("DELETE", f"{path}/{_DELETE[kind.name]}/{{dpsId}}", remove, roles=MAPPING_ROLES)


def _add_lists(router: Router, table: CourtMappings) -> None:
    def listed(kind: _Kind, keys: list[Any]) -> Answer:
        found = ((key, table.pairs.get(key)) for key in keys)
        return json_answer([kind.as_json(key, pair) for key, pair in found if pair is not None])

    def cases(request: Request) -> Answer:
        return listed(KINDS["case"], [("case", number) for number in read_body(_IDS, request)])

    def sentences(request: Request) -> Answer:
        wanted = read_body(_SENTENCES, request)
        keys = [("sentence", each.nomis_booking_id, each.nomis_sentence_sequence) for each in wanted]
        return listed(KINDS["sentence"], keys)

    router.add("POST", PATH + "/court-cases/nomis-case-ids/get-list", cases, roles=MAPPING_ROLES)
    router.add("POST", PATH + "/sentences/nomis-sentence-ids/get-list", sentences, roles=MAPPING_ROLES)


def _add_batches(router: Router, table: CourtMappings) -> None:
    def store(request: Request) -> Any:
        body = read_body(_BATCH, request)
        items = [
            kind.read(pair, "DPS_CREATED") for kind in KINDS.values() for pair in getattr(body, _snake(kind.batch))
        ]
        table.replace(items, body.label)
        return body

    def of_prisoner(request: Request) -> Answer:
        body = store(request)
        table.note(request.parameters[0], body.label, len(body.court_cases))
        return CREATED

    def replace(request: Request) -> Answer:
        store(request)
        return OK

    def summary(request: Request) -> Answer:
        found = table.summary(request.parameters[0])
        return not_found(f"prisoner {request.parameters[0]}") if found is None else json_answer(found)

    def migrated(request: Request) -> Answer:
        number, size = Query(request).page()
        found = table.summaries(request.parameters[0])
        content = [json_answer(row).body for row in found[number * size : (number + 1) * size]]
        return classic_page(content, total=len(found), number=number, size=size)

    def forget(_request: Request) -> Answer:
        table.pairs.remove_all(only_migrated=False)
        return NO_CONTENT

    add: Callable[..., None] = router.add
    add("POST", PATH + "/prisoner/{offenderNo}/court-cases", of_prisoner, roles=MAPPING_ROLES)
    add("GET", PATH + "/prisoner/{offenderNo}/migration-summary", summary, roles=MAPPING_ROLES)
    add("GET", PATH + "/prisoner/migration-id/{migrationId}", migrated, roles=MAPPING_ROLES)
    add("PUT", PATH + "/court-cases/replace", replace, roles=MAPPING_ROLES)
    add("DELETE", PATH + "/all", forget, roles=MAPPING_ROLES | ROOM_ROLES)
