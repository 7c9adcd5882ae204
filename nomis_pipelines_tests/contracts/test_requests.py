"""Promise: a producer that no longer takes what we send is caught; one that takes more is not."""

import pytest

from nomis_pipelines.contract_tools import compare
from nomis_pipelines_tests.contracts.documents import Json, asking, breaks, document, kinds, sending, thing

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer", "format": "int64"}
COLOUR: Json = {"type": "string", "enum": ["RED", "GREEN"]}
LABEL: Json = {"type": "string", "maxLength": 20}

OURS = thing(
    required=("id", "colour"), id=NUMBER, colour=COLOUR, label=LABEL, made={"type": "string", "format": "date-time"}
)
SAME = OURS


def having(name: str, schema: Json, **changes: object) -> Json:
    return {**SAME, "properties": {**SAME["properties"], name: schema}, **changes}


def without(name: str) -> Json:
    return {
        **SAME,
        "properties": {key: value for key, value in SAME["properties"].items() if key != name},
        "required": [],
    }


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param(SAME, [], id="the same"),
        pytest.param({}, [], id="anything is taken"),
        pytest.param({"type": "object"}, [], id="any object is taken"),
        pytest.param(without("label"), ["field-unknown"], id="a field removed"),
        pytest.param({**without("label"), "additionalProperties": True}, [], id="a field removed, others welcome"),
        pytest.param({**without("label"), "additionalProperties": TEXT}, [], id="a field removed, other texts welcome"),
        pytest.param({**without("label"), "additionalProperties": {"type": "boolean"}}, ["retyped"],
                     id="a field removed, other flags welcome"),
        pytest.param(having("extra", TEXT), [], id="an optional field more"),
        pytest.param(having("extra", TEXT, required=["extra"]), ["field-required"], id="a required field more"),
        pytest.param(having("extra", {**TEXT, "default": "x"}, required=["extra"]), [], id="required with a default"),
        pytest.param(having("extra", {**TEXT, "readOnly": True}, required=["extra"]), [], id="required but only read"),
        pytest.param({**SAME, "required": ["id", "colour", "label"]}, ["field-required"],
                     id="a field required that we may leave out"),
        pytest.param(having("id", TEXT), ["retyped"], id="a number turned text"),
        pytest.param(having("id", {"type": "integer", "format": "int32"}), ["retyped"], id="a smaller integer"),
        pytest.param(having("id", {"type": "number"}), [], id="an integer turned fraction"),
        pytest.param(having("made", {"type": "string", "format": "date"}), ["retyped"], id="a date-time turned date"),
        pytest.param(having("made", TEXT), [], id="a date-time turned any text"),
        pytest.param(having("made", {**TEXT, "maxLength": 10}), ["narrowed"], id="a date-time that does not fit"),
        pytest.param(having("label", {"type": "string", "format": "uuid"}), ["retyped"], id="a text turned UUID"),
        pytest.param(having("label", {**TEXT, "maxLength": 19}), ["narrowed"], id="a shorter text"),
        pytest.param(having("label", {**TEXT, "maxLength": 20}), [], id="a text as long"),
        pytest.param(having("label", {**TEXT, "minLength": 1}), ["narrowed"], id="an empty text refused"),
        pytest.param(having("label", {**TEXT, "minLength": 0}), [], id="an empty text welcome"),
        pytest.param(having("label", {**TEXT, "pattern": "^[A-Z]+$"}), ["narrowed"], id="a pattern for any text"),
        pytest.param(having("label", COLOUR), ["value-unknown"], id="any text turned enumeration"),
        pytest.param(having("colour", {"type": "string", "enum": ["RED", "GREEN", "BLUE"]}), [], id="a value more"),
        pytest.param(having("colour", {"type": "string", "enum": ["RED"]}), ["value-unknown"], id="a value gone"),
        pytest.param(having("colour", {"oneOf": [{"const": "RED"}, {"const": "GREEN"}]}), [], id="constants"),
        pytest.param(having("colour", {"oneOf": [{"const": "RED"}]}), ["value-unknown"], id="a constant gone"),
        pytest.param(having("colour", {**TEXT, "maxLength": 5}), [], id="values that fit"),
        pytest.param(having("colour", {**TEXT, "maxLength": 4}), ["narrowed"], id="a value too long"),
        pytest.param(having("colour", {**TEXT, "pattern": "^[A-Z]+$"}), [], id="values that match"),
        pytest.param({"oneOf": [thing(name=TEXT), SAME]}, [], id="one of two takes it"),
        pytest.param({"type": "null"}, ["retyped"], id="only null is taken"),
    ],
)  # fmt: skip
def test_a_change_of_the_request_is_found_when_it_hurts_us(theirs: Json, found: list[str]):
    assert kinds(sending(OURS), sending(theirs)) == found


def test_a_null_that_we_send_must_be_taken():
    ours = sending(thing(label={"type": ["string", "null"]}))

    assert kinds(ours, sending(thing(label=TEXT))) == ["null-refused"]
    assert kinds(ours, sending(thing(label={"type": "string", "nullable": True}), version="3.0.1")) == []
    assert kinds(ours, sending(thing(label={"type": ["string", "null"]}))) == []


def test_a_body_must_be_taken_and_its_content_type_too():
    body: Json = {"requestBody": {"required": True, "content": {"application/vnd.x+json": {"schema": TEXT}}}}
    other: Json = {"requestBody": {"required": True, "content": {"application/json": {"schema": TEXT}}}}
    ours, bare = document("/thing", body, method="post"), document("/thing", {}, method="post")

    assert kinds(ours, document("/thing", other, method="post")) == ["content-type-missing"]
    assert kinds(ours, bare) == ["body-unknown"]
    assert kinds(bare, ours) == ["body-required"]


def test_paths_match_whatever_their_parameters_are_called():
    def at(path: str, schema: Json, method: str = "get") -> object:
        name = path.partition("{")[2].partition("}")[0]
        parameters = [{"name": name, "in": "path", "required": True, "schema": schema}]
        return document(path, {"parameters": parameters}, method=method)

    ours = at("/things/{id}", NUMBER)

    assert kinds(ours, at("/things/{thingId}", NUMBER)) == []
    assert kinds(ours, at("/things/{thingId}", TEXT)) == [], "a number in a path is text"
    assert kinds(ours, at("/things/{thingId}", {"type": "string", "format": "uuid"})) == ["retyped"]
    assert kinds(ours, at("/thing/{id}", NUMBER)) == ["path-missing"]
    assert kinds(ours, at("/things/{id}", NUMBER, "delete")) == ["method-missing"]


def test_a_path_may_be_written_twice_with_its_methods_apart():
    ours = document("/things/{id}", {}, method="delete")
    theirs = document("/things/{a}", {}, method="delete")
    theirs.paths.update(document("/things/{b}", {}).paths)

    assert kinds(ours, theirs) == []


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param([{"name": "prisons", "schema": {"type": "array", "items": TEXT}}], [], id="the same"),
        pytest.param([], ["parameter-unknown"], id="removed or renamed"),
        pytest.param([{"name": "prisons", "schema": TEXT}], ["retyped"], id="a list turned text"),
        pytest.param([{"name": "prisons", "explode": False, "schema": {"type": "array", "items": TEXT}}], ["retyped"],
                     id="a list written with commas"),
        pytest.param([{"name": "prisons", "schema": {"type": "array", "items": COLOUR}}], ["value-unknown"],
                     id="only known values"),
        pytest.param([{"name": "prisons", "required": True, "schema": {"type": "array", "items": TEXT}}],
                     ["parameter-required"], id="required, and we may leave it out"),
    ],
)  # fmt: skip
def test_a_query_parameter_that_we_send_must_be_known(theirs: list[Json], found: list[str]):
    ours = asking({"name": "prisons", "schema": {"type": "array", "items": TEXT}})
    assert kinds(ours, asking(*theirs)) == found


@pytest.mark.parametrize(
    ("parameter", "found"),
    [
        pytest.param({"name": "new", "schema": TEXT}, [], id="optional"),
        pytest.param({"name": "new", "required": True, "schema": TEXT}, ["parameter-required"], id="required"),
        pytest.param({"name": "new", "required": True, "schema": {**TEXT, "default": "x"}}, [], id="with a default"),
        pytest.param({"name": "X-New", "in": "header", "required": True, "schema": TEXT}, ["parameter-required"],
                     id="a required header"),
        pytest.param({"name": "Authorization", "in": "header", "required": True, "schema": TEXT}, [],
                     id="a header that is no parameter"),
    ],
)  # fmt: skip
def test_a_new_parameter_hurts_only_when_it_is_required(parameter: Json, found: list[str]):
    assert kinds(asking(), asking(parameter)) == found


def test_an_object_in_the_query_is_one_parameter_a_property():
    ours = asking({"name": "page", "schema": NUMBER}, {"name": "size", "schema": NUMBER})
    pageable = thing(page=NUMBER, size={**NUMBER, "minimum": 1}, sort={"type": "array", "items": TEXT})

    [found] = breaks(ours, asking({"name": "pageRequest", "required": True, "schema": pageable}))

    assert (found.kind, found.place, found.detail) == ("narrowed", "query size", "minimum is 1 there")


def test_parameters_of_the_whole_path_count_and_may_be_references():
    ours = asking({"name": "size", "schema": NUMBER})
    theirs = asking()
    theirs.paths["/thing"]["parameters"] = [{"$ref": "#/components/parameters/Size"}]
    theirs.content["components"]["parameters"] = {"Size": {"name": "size", "in": "query", "schema": NUMBER}}

    assert kinds(ours, theirs) == []


def test_a_difference_that_the_contract_accepts_is_listed_with_its_reason_and_is_no_break():
    ours = asking({"name": "ignored", "schema": TEXT, "x-accepted": {"parameter-unknown": "never declared"}})

    [found] = compare(ours, asking())

    assert found.accepted == "never declared"
    assert found.as_dict()["accepted"] == "never declared"


def test_an_acceptance_covers_its_own_kind_only():
    accepted = {"field-unknown": "a reason"}
    ours = sending(thing(label={**TEXT, "x-accepted": accepted}))

    assert kinds(ours, sending(thing(label=NUMBER))) == ["retyped"]
    assert kinds(ours, sending(thing(other=NUMBER))) == []
