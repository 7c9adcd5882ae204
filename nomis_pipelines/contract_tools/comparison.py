"""Holds a whole contract against a producer's document, operation by operation."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nomis_pipelines.contract_tools.documents import Document, DocumentError, Json, path_shape
from nomis_pipelines.contract_tools.findings import Finding, Kind
from nomis_pipelines.contract_tools.schemas import SchemaComparison
from nomis_pipelines.contract_tools.shapes import choice

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# headers that OpenAPI says are no parameters
_NO_PARAMETERS = {"accept", "authorization", "content-type"}


def compare(contract: Document, producer: Document) -> list[Finding]:
    """Every difference that would hurt us, in the contract's order; accepted ones too (see `Finding`).

    Raises `DocumentError` when a document refers to something it does not have, or is otherwise not well formed.
    """
    try:
        return [
            finding
            for path, item in contract.paths.items()
            for method in METHODS
            if method in item
            for finding in _operation(contract, producer, path, method)
        ]
    except (AttributeError, KeyError, TypeError) as error:
        message = f"{producer.source} is not a well-formed OpenAPI document: {type(error).__name__}: {error}"
        raise DocumentError(message) from error


def _operation(ours: Document, theirs: Document, path: str, method: str) -> Iterator[Finding]:
    schemas = SchemaComparison(ours, theirs, f"{method.upper()} {path}")
    operation: Json = ours.paths[path][method]
    # one path may be written twice, its methods under different parameter names
    same = {each: theirs.resolve(item) for each, item in theirs.paths.items() if path_shape(each) == path_shape(path)}
    if not same:
        yield schemas.finding(Kind.PATH_MISSING, "", "the path is not there", operation)
        return
    their_path = next((each for each, item in same.items() if method in item), None)
    if their_path is None:
        yield schemas.finding(Kind.METHOD_MISSING, "", "the path is there, the method is not", operation)
        return
    item, other = same[their_path], same[their_path][method]
    sent = _parameters(ours, ours.resolve(ours.paths[path]), operation)
    taken = _parameters(theirs, item, other)
    yield from _path_parameters(schemas, path, their_path, sent, taken)
    yield from _other_parameters(schemas, operation, sent, taken)
    yield from _body(schemas, operation, other)
    yield from _answers(schemas, operation, other)


Parameters = dict[tuple[str, str], Json]


def _parameters(document: Document, item: Json, operation: Json) -> Parameters:
    """Parameters by place and name; an object in the query is what it is on the wire, one parameter a property."""
    found: Parameters = {}
    for written in (*item.get("parameters", ()), *operation.get("parameters", ())):
        parameter = document.resolve(written)
        schema: Json = parameter.get("schema", {})
        shapes = choice(document, schema).shapes
        shape = shapes[0] if len(shapes) == 1 else None
        if parameter["in"] == "query" and shape and shape.type == "object" and _style(parameter) == ("form", True):
            for name, each in shape.properties.items():
                required = bool(parameter.get("required")) and name in shape.required
                found["query", name] = {"name": name, "in": "query", "required": required, "schema": each}
        else:
            found[parameter["in"], parameter["name"]] = parameter
    return found


def _style(parameter: Json) -> tuple[str, bool]:
    style: str = parameter.get("style", "form")
    return style, bool(parameter.get("explode", style == "form"))


def _path_parameters(
    schemas: SchemaComparison, path: str, their_path: str, sent: Parameters, taken: Parameters
) -> Iterator[Finding]:
    in_text = replace(schemas, in_text=True)
    for name, other in zip(_names(path), _names(their_path), strict=True):
        ours, theirs = sent.get(("path", name), {}), taken.get(("path", other), {})
        yield from in_text.sent(ours.get("schema", {}), theirs.get("schema", {}), f"path {name}")


def _names(path: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", path)


def _other_parameters(
    schemas: SchemaComparison, operation: Json, sent: Parameters, taken: Parameters
) -> Iterator[Finding]:
    in_text = replace(schemas, in_text=True)
    for (place, name), parameter in sent.items():
        if place == "path":
            continue
        other = taken.get((place, name))
        where = f"{place} {name}"
        if other is None:
            yield schemas.finding(Kind.PARAMETER_UNKNOWN, where, "we send a parameter that is unknown there", parameter)
            continue
        if other.get("required") and not parameter.get("required") and not _has_default(schemas.theirs, other):
            detail = "required there, but we do not always send it"
            yield schemas.finding(Kind.PARAMETER_REQUIRED, where, detail, parameter)
        ours, theirs = parameter.get("schema", {}), other.get("schema", {})
        is_list = any(shape.type == "array" for shape in choice(schemas.ours, ours).shapes)
        if is_list and _style(parameter) != _style(other):
            yield schemas.finding(Kind.RETYPED, where, "lists are written another way there", parameter)
        yield from in_text.sent(ours, theirs, where)
    for (place, name), other in taken.items():
        ignored = place == "path" or (place == "header" and name.lower() in _NO_PARAMETERS)
        if ignored or (place, name) in sent or not other.get("required") or _has_default(schemas.theirs, other):
            continue
        detail = "required there, but we do not send it"
        yield schemas.finding(Kind.PARAMETER_REQUIRED, f"{place} {name}", detail, operation)


def _has_default(document: Document, parameter: Json) -> bool:
    return "default" in document.resolve(parameter.get("schema", {}))


def _body(schemas: SchemaComparison, operation: Json, other: Json) -> Iterator[Finding]:
    ours = schemas.ours.resolve(operation.get("requestBody", {}))
    theirs = schemas.theirs.resolve(other.get("requestBody", {}))
    if not ours:
        if theirs.get("required"):
            yield schemas.finding(Kind.BODY_REQUIRED, "request", "a body is required there", operation)
        return
    if not theirs:
        yield schemas.finding(Kind.BODY_UNKNOWN, "request", "we send a body where none is taken", ours)
        return
    for media_type, media in ours.get("content", {}).items():
        accepted = _media(theirs, media_type)
        if accepted is None:
            listed = ", ".join(theirs.get("content", {})) or "none"
            detail = f"we send {media_type}; taken there: {listed}"
            yield schemas.finding(Kind.CONTENT_TYPE_MISSING, "request", detail, ours)
        else:
            yield from schemas.sent(media.get("schema", {}), accepted.get("schema", {}), "request")


def _answers(schemas: SchemaComparison, operation: Json, other: Json) -> Iterator[Finding]:
    responses: Json = other.get("responses", {})
    for status, written in operation["responses"].items():
        ours = schemas.ours.resolve(written)
        found = next((responses[key] for key in (status, f"{status[0]}XX", "default") if key in responses), None)
        content: Json = ours.get("content", {})
        if found is None:
            # an error status without a body that we read may go unpublished
            if status.startswith("2") or content:
                listed = ", ".join(responses) or "none"
                detail = f"we expect {status}; published there: {listed}"
                yield schemas.finding(Kind.STATUS_MISSING, f"answer {status}", detail, ours)
            continue
        theirs = schemas.theirs.resolve(found)
        for media_type, media in content.items():
            given = _media(theirs, media_type)
            if given is None:
                listed = ", ".join(theirs.get("content", {})) or "none"
                detail = f"we read {media_type}; answered there: {listed}"
                yield schemas.finding(Kind.CONTENT_TYPE_MISSING, f"answer {status}", detail, ours)
            else:
                yield from schemas.read(media.get("schema", {}), given.get("schema", {}), f"answer {status}")


def _media(body: Json, media_type: str) -> Any:
    """The entry of a body's content that covers a media type: itself, or a range such as `*/*`; parameters ignored."""
    content: Json = body.get("content", {})
    by_name = {name.partition(";")[0].strip().lower(): media for name, media in content.items()}
    kind = media_type.partition("/")[0]
    return next((by_name[name] for name in (media_type, f"{kind}/*", "*/*") if name in by_name), None)
