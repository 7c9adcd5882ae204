"""Promise: every contract of ours is sound, and the check notices the loss of anything in it."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from nomis_pipelines.contract_tools import Document, Kind, compare, load_contracts
from nomis_pipelines.contract_tools.findings import ACCEPTED

CONTRACTS = {contract.name: contract for contract in load_contracts()}
STRICT = "x-strict"
"""Beside an enumeration in an answer: why another value must make the read fail (docs/contracts.md)."""


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def used_schemas(contract: Document) -> set[str]:
    return {node["$ref"] for node in nodes(contract.content) if isinstance(node.get("$ref"), str)}


@pytest.fixture(params=sorted(CONTRACTS))
def contract(request: pytest.FixtureRequest) -> Document:
    return CONTRACTS[request.param]


def test_a_contract_keeps_itself(contract: Document):
    assert compare(contract, contract) == []


def test_every_reference_leads_somewhere_and_every_schema_is_used(contract: Document):
    used = used_schemas(contract)
    for reference in used:
        contract.resolve({"$ref": reference})

    assert used == {f"#/components/schemas/{name}" for name in contract.content["components"]["schemas"]}


def test_only_known_kinds_of_difference_are_accepted_each_with_a_reason(contract: Document):
    accepted = [item for node in nodes(contract.content) for item in node.get(ACCEPTED, {}).items()]

    assert {kind for kind, _ in accepted} <= set(Kind)
    assert all(len(reason) > 10 for _, reason in accepted)


def test_every_operation_has_an_id_of_its_own(contract: Document):
    ids = [node["operationId"] for node in nodes(contract.content["paths"]) if "responses" in node]

    assert len(ids) == len(set(ids))


def test_the_loss_of_any_operation_is_noticed(contract: Document):
    for path, item in contract.paths.items():
        for method in item:
            producer = copy.deepcopy(contract)
            del producer.paths[path][method]

            [found] = compare(contract, producer)

            assert found.operation == f"{method.upper()} {path}"
            assert found.kind == Kind.METHOD_MISSING


def test_the_loss_of_any_query_parameter_is_noticed(contract: Document):
    for path, item in contract.paths.items():
        for method, operation in item.items():
            for index, parameter in enumerate(operation.get("parameters", [])):
                if parameter["in"] == "query":
                    producer = copy.deepcopy(contract)
                    del producer.paths[path][method]["parameters"][index]

                    [found] = compare(contract, producer)

                    assert (found.kind, found.place) == (Kind.PARAMETER_UNKNOWN, f"query {parameter['name']}")


def test_the_loss_of_any_field_is_noticed(contract: Document):
    schemas = contract.content["components"]["schemas"]
    for name, schema in schemas.items():
        fields: list[str] = list(schema.get("properties", {}))
        if len(fields) < 2:
            continue  # without its only field a schema is any object, which takes everything
        # a whole comparison for each field of each schema would take a minute
        ours = Document(contract.source, {**contract.content, "paths": paths_that_use(contract, name)})
        for field in fields:
            left = {each: value for each, value in schema["properties"].items() if each != field}
            required = [each for each in schema.get("required", []) if each != field]
            theirs = {**schemas, name: {**schema, "properties": left, "required": required}}
            producer = Document(contract.source, {**ours.content, "components": {"schemas": theirs}})

            found = compare(ours, producer)

            assert found, f"{name}.{field}"
            assert {finding.kind for finding in found} <= {
                Kind.ANSWER_FIELD_MISSING, Kind.FIELD_UNKNOWN, Kind.ANSWER_RETYPED
            }  # fmt: skip


def paths_that_use(contract: Document, schema: str) -> dict[str, Any]:
    """The paths whose operations lead to a schema, directly or through others."""
    schemas = contract.content["components"]["schemas"]
    names = {schema}
    while more := {name for name, each in schemas.items() if name not in names and refers(each, names)}:
        names |= more
    return {path: item for path, item in contract.paths.items() if refers(item, names)}


def refers(node: object, names: set[str]) -> bool:
    return any(str(each.get("$ref", "")).rpartition("/")[2] in names for each in nodes(node))


def test_the_loss_of_any_value_that_we_send_is_noticed(contract: Document):
    for name, schema in contract.content["components"]["schemas"].items():
        for value in [] if STRICT in schema else schema.get("enum", []):
            producer = copy.deepcopy(contract)
            producer.content["components"]["schemas"][name]["enum"].remove(value)

            assert {finding.kind for finding in compare(contract, producer)} == {Kind.VALUE_UNKNOWN}


def test_a_new_value_of_an_enumeration_that_we_read_strictly_is_noticed(contract: Document):
    for name, schema in contract.content["components"]["schemas"].items():
        if STRICT in schema:
            producer = copy.deepcopy(contract)
            producer.content["components"]["schemas"][name]["enum"].append("NEW")

            assert {finding.kind for finding in compare(contract, producer)} == {Kind.ANSWER_VALUE_UNKNOWN}


def test_enumerations_are_of_what_we_send_or_say_why_they_are_read_strictly(contract: Document):
    for path, item in contract.paths.items():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                found = list(enumerations(contract, answer))
                assert all(len(each.get(STRICT, "")) > 10 for each in found), f"{path} {status}"


def enumerations(contract: Document, node: Any, seen: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    for each in nodes(node):
        if "enum" in each:
            yield each
        reference = each.get("$ref")
        if reference and reference not in seen:
            yield from enumerations(contract, contract.resolve(each), seen | {reference})
