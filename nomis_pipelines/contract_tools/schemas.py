"""Holds a schema of a contract against the producer's: what we send must be taken, what we read must be there."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.contract_tools.documents import Document, Json
from nomis_pipelines.contract_tools.findings import Finding, Kind, reason
from nomis_pipelines.contract_tools.shapes import LOWER_BOUNDS, UPPER_BOUNDS, Choice, Shape, choice

# text of our date-times and dates, to try on a producer's pattern or length
_SAMPLES = {
    "date-time": "2024-06-12T10:13:56",
    "date": "2024-06-12",
    "uuid": "0d6f3c1e-1111-4222-8333-944445555666",
}
Seen = frozenset[tuple[int, int]]

_SCALARS = {"integer", "number", "boolean"}
_NULL = Shape(type="null")


@dataclass(frozen=True)
class SchemaComparison:
    """Compares schemas of two documents, within one operation (named in the findings).

    `in_text`: what is sent goes as text, in a path or a query. `seen` in the methods keeps recursive schemas finite.
    """

    ours: Document
    theirs: Document
    operation: str
    in_text: bool = False

    def finding(self, kind: Kind, place: str, detail: str, *nodes: Json) -> Finding:
        """A finding at `place`, accepted if one of the contract's `nodes`, or what it refers to, says so."""
        resolved = [each for node in nodes for each in (node, self.ours.resolve(node))]
        return Finding(kind, self.operation, place, detail, reason(kind, *resolved))

    # what we send

    def sent(self, ours: Json, theirs: Json, place: str, seen: Seen = frozenset()) -> list[Finding]:
        """What of the values we send the producer would not take."""
        pair = (id(self.ours.resolve(ours)), id(self.theirs.resolve(theirs)))
        if pair in seen:
            return []
        seen |= {pair}
        sent, taken = choice(self.ours, ours), choice(self.theirs, theirs)
        found: list[Finding] = []
        if sent.nullable and not taken.nullable and not _is_anything(taken):
            found.append(self.finding(Kind.NULL_REFUSED, place, "we may send null, which is not taken", ours))
        for shape in sent.shapes:
            found += _fewest(self._shape_sent(shape, other, place, ours, seen) for other in taken.shapes or (_NULL,))
        return found

    def _shape_sent(self, ours: Shape, theirs: Shape, place: str, node: Json, seen: Seen) -> list[Finding]:
        if theirs.is_anything:
            return []
        as_text = (
            self.in_text and ours.type in _SCALARS and theirs.type == "string" and not (theirs.enum or theirs.format)
        )
        if as_text:
            return []
        if not _fits(ours, theirs) or _is_wider_number(ours, theirs):
            detail = f"we send {_named(ours)}; taken there: {_named(theirs)}"
            return [self.finding(Kind.RETYPED, place, detail, node)]
        found = [
            self.finding(kind, place, detail, node)
            for kind, details in (
                (Kind.VALUE_UNKNOWN, _values(ours, theirs)),
                (Kind.NARROWED, _narrowings(ours, theirs)),
            )
            for detail in details
        ]
        if ours.items is not None and theirs.items is not None:
            found += self.sent(ours.items, theirs.items, f"{place}[]", seen)
        if ours.type == "object":
            found += self._fields_sent(ours, theirs, place, node, seen)
        return found

    def _fields_sent(self, ours: Shape, theirs: Shape, place: str, node: Json, seen: Seen) -> Iterator[Finding]:
        is_open = theirs.additional is True or not (theirs.properties or theirs.additional is False)
        for name, schema in ours.properties.items():
            where = f"{place}.{name}"
            other = theirs.properties.get(name, theirs.additional)
            if isinstance(other, dict):
                yield from self.sent(schema, other, where, seen)
            elif not is_open:
                yield self.finding(Kind.FIELD_UNKNOWN, where, "we send a field that is unknown there", schema)
        for name in sorted(theirs.required):
            other = self.theirs.resolve(theirs.properties.get(name, {}))
            if name in ours.required or other.get("readOnly") or "default" in other:
                continue
            known = name in ours.properties
            detail = (
                "required there, but we do not always send it" if known else "required there, but we do not send it"
            )
            nodes = [ours.properties[name]] if known else [node]
            yield self.finding(Kind.FIELD_REQUIRED, f"{place}.{name}", detail, *nodes)

    # what we read

    def read(
        self, ours: Json, theirs: Json, place: str, seen: Seen = frozenset(), *, needed: bool = True
    ) -> list[Finding]:
        """What we read that the producer's answer does not have, or has otherwise."""
        pair = (id(self.ours.resolve(ours)), id(self.theirs.resolve(theirs)))
        if pair in seen:
            return []
        seen |= {pair}
        wanted, given = choice(self.ours, ours), choice(self.theirs, theirs)
        if _is_anything(wanted):
            return []
        found: list[Finding] = []
        if given.nullable and needed and not wanted.nullable:
            found.append(self.finding(Kind.ANSWER_NULLABLE, place, "may be null there, and we need it", ours))
        for shape in given.shapes:
            found += _fewest(self._shape_read(other, shape, place, ours, seen) for other in wanted.shapes)
        return found

    def _shape_read(self, ours: Shape, theirs: Shape, place: str, node: Json, seen: Seen) -> list[Finding]:
        if theirs.is_anything:
            if ours.type == "object" and not ours.properties:
                return []
            return [self.finding(Kind.ANSWER_RETYPED, place, f"we read {_named(ours)}; it has no type there", node)]
        if not _fits(theirs, ours):
            detail = f"we read {_named(ours)}; answered there: {_named(theirs)}"
            return [self.finding(Kind.ANSWER_RETYPED, place, detail, node)]
        found = [self.finding(Kind.ANSWER_VALUE_UNKNOWN, place, detail, node) for detail in _values(theirs, ours)]
        if ours.items is not None and theirs.items is not None:
            found += self.read(ours.items, theirs.items, f"{place}[]", seen)
        for name, schema in ours.properties.items():
            found += self._field_read(name, schema, name in ours.required, theirs, place, seen)
        return found

    def _field_read(
        self, name: str, ours: Json, needed: bool, theirs: Shape, place: str, seen: Seen
    ) -> Iterator[Finding]:
        where = f"{place}.{name}"
        other = theirs.properties.get(name)
        if other is None or self.theirs.resolve(other).get("writeOnly"):
            yield self.finding(Kind.ANSWER_FIELD_MISSING, where, "we read a field that is not there", ours)
            return
        if needed and name not in theirs.required:
            yield self.finding(Kind.ANSWER_FIELD_OPTIONAL, where, "optional there, and we need it", ours)
        yield from self.read(ours, other, where, seen, needed=needed)


def _fewest(candidates: Iterator[list[Finding]]) -> list[Finding]:
    """Of several alternatives on the other side, the one that fits best."""
    return min(candidates, key=lambda found: sum(each.accepted is None for each in found), default=[])


def _is_anything(schema: Choice) -> bool:
    return any(shape.is_anything for shape in schema.shapes)


def _named(shape: Shape) -> str:
    name = shape.type or "anything"
    return f"{name} ({shape.format})" if shape.format and shape.type in {"string", "integer", "number"} else name


def _fits(source: Shape, target: Shape) -> bool:
    """Whether values of `source` are values of `target`, by type and by the format of texts."""
    if (
        source.type
        and target.type
        and source.type != target.type
        and (source.type, target.type) != ("integer", "number")
    ):
        return False
    if source.type != "string" or source.enum is not None or source.format == target.format:
        return True
    if target.format not in _SAMPLES:
        return True
    # some documents spell date-times as a pattern instead of a format
    return source.format is None and source.pattern is not None and _matches(source.pattern, _SAMPLES[target.format])


def _is_wider_number(ours: Shape, theirs: Shape) -> bool:
    return ours.type == "integer" and ours.format != "int32" and theirs.format == "int32"


def _values(source: Shape, target: Shape) -> list[str]:
    """Values of `source` that `target` does not list."""
    if target.enum is None:
        return []
    listed = ", ".join(str(value) for value in target.enum)
    if source.enum is None:
        return [] if source.type == "boolean" else [f"any {_named(source)}, where only {listed} are known"]
    return [f"value {value}, where only {listed} are known" for value in source.enum if value not in target.enum]


def _narrowings(ours: Shape, theirs: Shape) -> Iterator[str]:
    """Bounds of `theirs` that values of `ours` may overstep."""
    texts = _texts(ours)
    pattern = theirs.pattern if theirs.pattern != ours.pattern else None
    if pattern and (texts is None or not all(_matches(pattern, text) for text in texts)):
        yield f"must match {pattern}"
    for bounds, oversteps in _BOUNDS:
        for key in bounds:
            limit, own = theirs.bounds.get(key), ours.bounds.get(key)
            if limit is None or (texts is not None and not any(oversteps(len(text), limit) for text in texts)):
                continue
            if own is None and key in {"minLength", "minItems"}:
                own = 0
            if own is None or oversteps(own, limit):
                yield f"{key} is {limit:g} there" + ("" if own is None else f", {own:g} here")


_BOUNDS: tuple[tuple[tuple[str, ...], Callable[[float, float], bool]], ...] = (
    (UPPER_BOUNDS, lambda own, limit: own > limit),
    (LOWER_BOUNDS, lambda own, limit: own < limit),
)


def _texts(shape: Shape) -> list[str] | None:
    """Every text a string schema of ours can send, or a typical one where its format fixes it; None: any text."""
    if shape.type != "string":
        return None
    if shape.enum is not None:
        return [str(value) for value in shape.enum]
    return [_SAMPLES[shape.format]] if shape.format in _SAMPLES else None


def _matches(pattern: str, text: Any) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:  # a pattern of another dialect: nothing can be said
        return True
