"""Promise: a producer that no longer answers what we read is caught; one that answers more, or more surely, is not."""

import pytest

from nomis_pipelines.contract_tools import DocumentError
from nomis_pipelines_tests.contracts.documents import Json, breaks, document, kinds, reading, thing

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer", "format": "int64"}
DATE: Json = {"type": "string", "format": "date"}
DATE_TIME: Json = {"type": "string", "format": "date-time"}

OURS = thing(required=("id",), id=NUMBER, comment={"type": ["string", "null"]}, born=DATE, made=DATE_TIME)
SAME = thing(required=("id",), id=NUMBER, comment=TEXT, born=DATE, made=DATE_TIME)


def without(name: str) -> Json:
    return {**SAME, "properties": {key: value for key, value in SAME["properties"].items() if key != name}}


def having(name: str, schema: Json) -> Json:
    return {**SAME, "properties": {**SAME["properties"], name: schema}}


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param(SAME, [], id="the same"),
        pytest.param(having("extra", TEXT), [], id="a field more"),
        pytest.param({**SAME, "required": ["id", "comment", "born", "made"]}, [], id="more fields required"),
        pytest.param(without("comment"), ["answer-field-missing"], id="an optional field removed"),
        pytest.param(without("id"), ["answer-field-missing"], id="a required field removed"),
        pytest.param({**SAME, "required": []}, ["answer-field-optional"], id="a needed field optional"),
        pytest.param(having("id", {"type": ["integer", "null"]}), ["answer-nullable"], id="a needed field nullable"),
        pytest.param(having("id", {"type": "integer", "nullable": True}), ["answer-nullable"], id="nullable as in 3.0"),
        pytest.param(having("id", {"anyOf": [NUMBER, {"type": "null"}]}), ["answer-nullable"], id="nullable by anyOf"),
        pytest.param(having("born", {"type": ["string", "null"], "format": "date"}), [], id="an optional one nullable"),
        pytest.param(having("id", TEXT), ["answer-retyped"], id="a number turned text"),
        pytest.param(having("id", {"type": "number"}), ["answer-retyped"], id="an integer turned fraction"),
        pytest.param(having("id", {"type": "integer", "format": "int32"}), [], id="a smaller integer"),
        pytest.param(having("born", DATE_TIME), ["answer-retyped"], id="a date turned date-time"),
        pytest.param(having("born", TEXT), ["answer-retyped"], id="a date turned any text"),
        pytest.param(having("made", {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"}), [],
                     id="a date-time spelt as a pattern"),
        pytest.param(having("made", {"type": "string", "pattern": r"^\d\d/\d\d/\d{4}$"}), ["answer-retyped"],
                     id="a date-time with another pattern"),
        pytest.param(having("comment", {"type": "string", "enum": ["A", "B"]}), [], id="a text turned enumeration"),
        pytest.param(having("id", {}), ["answer-retyped"], id="a type withdrawn"),
        pytest.param(having("comment", {**TEXT, "writeOnly": True}), ["answer-field-missing"], id="only written"),
        pytest.param({"type": "array", "items": SAME}, ["answer-retyped"], id="an object turned list"),
    ],
)  # fmt: skip
def test_a_change_of_the_answer_is_found_when_it_hurts_us(theirs: Json, found: list[str]):
    assert kinds(reading(OURS), reading(theirs)) == found


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param({"$ref": "#/components/schemas/Thing"}, [], id="by reference"),
        pytest.param({"allOf": [{"$ref": "#/components/schemas/Base"}, thing(required=("id",), id=NUMBER)]}, [],
                     id="in two parts"),
        pytest.param({"$ref": "#/components/schemas/Base"}, ["answer-field-missing"], id="one part only"),
        pytest.param({"oneOf": [{"$ref": "#/components/schemas/Thing"}, SAME]}, [], id="either fits"),
        pytest.param({"oneOf": [{"$ref": "#/components/schemas/Thing"}, thing(name=TEXT)]},
                     ["answer-field-missing"] * 4, id="one of two does not fit"),
        pytest.param({"allOf": [{"$ref": "#/components/schemas/Thing"}], "nullable": True}, ["answer-nullable"],
                     id="a reference made nullable as in 3.0"),
    ],
)  # fmt: skip
def test_a_producer_may_build_its_schema_in_any_way(theirs: Json, found: list[str]):
    base = thing(comment=TEXT, born=DATE, made=DATE_TIME)
    assert kinds(reading(OURS), reading(theirs, Thing=SAME, Base=base)) == found


def test_a_break_deep_inside_is_named_with_its_place():
    ours = reading(thing(required=("list",), list={"type": "array", "items": thing(required=("id",), id=NUMBER)}))
    theirs = reading(thing(required=("list",), list={"type": "array", "items": thing(required=("id",), id=TEXT)}))

    [found] = breaks(ours, theirs)

    assert (found.operation, found.place) == ("GET /thing", "answer 200.list[].id")
    assert found.detail == "we read integer (int64); answered there: string"


def test_schemas_that_contain_themselves_are_compared_once():
    def tree(of: Json) -> Json:
        return thing(
            required=("value",), value=of, children={"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
        )

    reference: Json = {"$ref": "#/components/schemas/Tree"}

    assert kinds(reading(reference, Tree=tree(NUMBER)), reading(reference, Tree=tree(NUMBER))) == []
    assert kinds(reading(reference, Tree=tree(NUMBER)), reading(reference, Tree=tree(TEXT))) == ["answer-retyped"]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/components/schemas/Missing"},
        {"$ref": "other.json#/Thing"},
        {"$ref": "#/components/schemas/Loop"},
        {"$ref": "#/components/schemas/Alternating"},
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error_of_the_document(schema: Json):
    loop: Json = {"$ref": "#/components/schemas/Loop"}
    alternating: Json = {"oneOf": [{"$ref": "#/components/schemas/Alternating"}, TEXT]}

    with pytest.raises(DocumentError, match=r"test-api-docs\.json"):
        breaks(reading(OURS), reading(schema, Loop=loop, Alternating=alternating))


def answering(content: Json, status: str = "200") -> Json:
    return {"responses": {status: {"description": "", "content": content}}}


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param(answering({"application/json;charset=UTF-8": {"schema": TEXT}}), [], id="with a parameter"),
        pytest.param(answering({"*/*": {"schema": TEXT}}), [], id="any type"),
        pytest.param(answering({"application/*": {"schema": TEXT}}), [], id="a range"),
        pytest.param(answering({"text/html": {"schema": TEXT}}), ["content-type-missing"], id="another type"),
        pytest.param(answering({}), ["content-type-missing"], id="no body"),
        pytest.param(answering({"application/json": {"schema": TEXT}}, "2XX"), [], id="any success"),
        pytest.param(answering({"application/json": {"schema": TEXT}}, "default"), [], id="by default"),
        pytest.param(answering({"application/json": {"schema": TEXT}}, "202"), ["status-missing"], id="another status"),
    ],
)
def test_the_success_status_and_its_content_type_must_be_there(theirs: Json, found: list[str]):
    ours = document("/thing", answering({"application/json": {"schema": TEXT}}))
    assert kinds(ours, document("/thing", theirs)) == found


def test_an_error_status_need_be_published_only_where_we_read_its_body():
    success: Json = {"200": {"description": ""}}
    bare = document("/thing", {"responses": {**success, "404": {"description": "none"}}})
    read = document(
        "/thing", {"responses": {**success, **answering({"application/json": {"schema": TEXT}}, "409")["responses"]}}
    )
    theirs = document("/thing", {"responses": success})

    assert kinds(bare, theirs) == []
    assert kinds(read, theirs) == ["status-missing"]
