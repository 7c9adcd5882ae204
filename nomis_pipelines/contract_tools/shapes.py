"""Schemas made plain: `$ref`, `allOf`, `oneOf`, `anyOf`, type lists and `nullable` boiled down to flat alternatives."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from nomis_pipelines.contract_tools.documents import Document, DocumentError, Json

UPPER_BOUNDS = ("maxLength", "maximum", "maxItems")
LOWER_BOUNDS = ("minLength", "minimum", "minItems")
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Shape:
    """One plain schema: a single type, or none where anything goes. Nested schemas are left as they were written."""

    type: str | None = None
    format: str | None = None
    pattern: str | None = None
    enum: tuple[Any, ...] | None = None
    bounds: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    properties: Mapping[str, Json] = field(default_factory=lambda: _NOTHING)
    required: frozenset[str] = frozenset()
    additional: Json | bool | None = None
    items: Json | None = None

    @property
    def is_anything(self) -> bool:
        """Whether the schema says nothing."""
        return self == ANYTHING


ANYTHING = Shape()


@dataclass(frozen=True)
class Choice:
    """What a schema allows: one of `shapes`, and null if `nullable`."""

    shapes: tuple[Shape, ...]
    nullable: bool = False


def choice(document: Document, node: Json, _seen: tuple[str, ...] = ()) -> Choice:
    """The alternatives of a schema. Raises `DocumentError` for a schema that is made of nothing but itself."""
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in _seen:
            raise DocumentError(f"{document.source}: {reference} is an alternative or a part of itself")
        _seen = (*_seen, reference)
        node = {**document.resolve({"$ref": reference}), **{key: value for key, value in node.items() if key != "$ref"}}
    result = _plain(node)
    for keyword, combine in _COMBINATIONS.items():
        if isinstance(parts := node.get(keyword), list):
            result = combine(result, [choice(document, part, _seen) for part in parts], node)
    return replace(result, shapes=_join_enumerations(result.shapes))


def _plain(node: Json) -> Choice:
    """What a node says by itself, combinations aside."""
    written = node.get("type")
    types: list[str] = written if isinstance(written, list) else [written] if written else []
    values = [node["const"]] if "const" in node else node.get("enum")
    nullable = node.get("nullable") is True or "null" in types or (values is not None and None in values)
    types = [name for name in types if name != "null"]
    if values == [None] or (written and not types):
        return Choice((), nullable=True)
    bounds = {key: node[key] for key in (*UPPER_BOUNDS, *LOWER_BOUNDS) if isinstance(node.get(key), int | float)}
    properties: dict[str, Json] = node.get("properties") or {}
    shape = Shape(
        format=node.get("format"),
        pattern=node.get("pattern"),
        enum=None if values is None else tuple(value for value in values if value is not None),
        bounds=bounds,
        properties=properties,
        required=frozenset(node.get("required") or ()),
        additional=node.get("additionalProperties"),
        items=node.get("items"),
    )
    guess = "object" if properties else "array" if shape.items is not None else None
    return Choice(tuple(replace(shape, type=name) for name in types) or (replace(shape, type=guess),), nullable)


def _all_of(base: Choice, parts: list[Choice], node: Json) -> Choice:
    shapes = base.shapes
    for part in parts:
        shapes = tuple(merged for left, right in product(shapes, part.shapes) if (merged := _merge(left, right)))
    # OpenAPI 3.0 has no other way to say "this schema or null" than `nullable` beside an allOf of one
    return Choice(shapes, node.get("nullable") is True or all(part.nullable for part in parts))


def _one_of(base: Choice, parts: list[Choice], node: Json) -> Choice:
    del node
    branches = [shape for part in parts for shape in part.shapes]
    shapes = tuple(merged for left, right in product(base.shapes, branches) if (merged := _merge(left, right)))
    return Choice(shapes, base.nullable or any(part.nullable for part in parts))


_COMBINATIONS: Mapping[str, Callable[[Choice, list[Choice], Json], Choice]] = {
    "allOf": _all_of,
    "oneOf": _one_of,
    "anyOf": _one_of,
}


def _merge(left: Shape, right: Shape) -> Shape | None:
    """A shape that is both, or None where no value can be."""
    if left.is_anything or right.is_anything:
        return right if left.is_anything else left
    if left.type and right.type and left.type != right.type:
        return None
    enums = [shape.enum for shape in (left, right) if shape.enum is not None]
    return Shape(
        type=left.type or right.type,
        format=left.format or right.format,
        pattern=left.pattern or right.pattern,
        enum=tuple(value for value in enums[0] if all(value in enum for enum in enums)) if enums else None,
        bounds={**left.bounds, **right.bounds},
        properties={**left.properties, **right.properties},
        required=left.required | right.required,
        additional=left.additional if left.additional is not None else right.additional,
        items=left.items if left.items is not None else right.items,
    )


def _join_enumerations(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """A choice of constants is one enumeration: `oneOf` of consts is how some generators write an enum."""
    joined: dict[str | None, Shape] = {}
    others: list[Shape] = []
    for shape in shapes:
        if shape.enum is None:
            others.append(shape)
        elif (known := joined.get(shape.type)) and known.enum is not None:
            joined[shape.type] = replace(known, enum=(*known.enum, *shape.enum))
        else:
            joined[shape.type] = shape
    return (*joined.values(), *others)
