"""Small OpenAPI documents for the tests, built from one operation."""

from typing import Any

from nomis_pipelines.contract_tools import Document, Finding, compare

Json = dict[str, Any]


def document(path: str, operation: Json, *, method: str = "get", version: str = "3.1.0", **schemas: Json) -> Document:
    """A document of one operation; `schemas` become its components."""
    operation = {"responses": {"200": {"description": ""}}, **operation}
    content = {"openapi": version, "paths": {path: {method: operation}}, "components": {"schemas": schemas}}
    return Document("test-api-docs.json", content)


def reading(schema: Json, *, version: str = "3.1.0", **schemas: Json) -> Document:
    """A document whose `GET /thing` answers `schema`."""
    answer = {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}
    return document("/thing", {"responses": answer}, version=version, **schemas)


def sending(schema: Json, *, version: str = "3.1.0", **schemas: Json) -> Document:
    """A document whose `POST /thing` takes `schema`."""
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return document("/thing", {"requestBody": body}, method="post", version=version, **schemas)


def asking(*parameters: Json) -> Document:
    """A document whose `GET /thing` has these query parameters."""
    return document("/thing", {"parameters": [{"in": "query", **parameter} for parameter in parameters]})


def thing(*, required: tuple[str, ...] = (), **properties: Json) -> Json:
    """An object schema."""
    return {"type": "object", "properties": properties, "required": list(required)}


def kinds(ours: Document, theirs: Document) -> list[str]:
    """The kinds of the breaks, in order."""
    return [finding.kind.value for finding in breaks(ours, theirs)]


def breaks(ours: Document, theirs: Document) -> list[Finding]:
    """The findings that the contract does not accept."""
    return [finding for finding in compare(ours, theirs) if finding.accepted is None]
