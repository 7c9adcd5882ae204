"""Errors say where a call failed, and never hold what the service said about a person."""

import json

import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.http import Conflict, InvalidAnswer, NotFound, Rejected, Unavailable
from nomis_pipelines.http.errors import REDACTED_CHARACTERS, redact, status_error

DUPLICATE = {
    "status": "CONFLICT",
    "errorCode": 1409,
    "userMessage": "Conflict: Mapping already exists",
    "moreInfo": {"existing": {"nomisId": 1, "dpsId": "a"}, "duplicate": {"nomisId": 1, "dpsId": "b"}},
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, InvalidAnswer),
        (400, Rejected),
        (401, Rejected),
        (404, NotFound),
        (409, Conflict),
        (422, Rejected),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[Exception]):
    assert type(status_error("visits", "POST", "/migrate-visits", status, b"")) is kind


def test_an_error_reads_as_service_method_template_and_status():
    error = status_error("visits", "POST", "/visits/{visitId}", 400, b'{"userMessage": "John Smith"}')
    assert str(error) == "visits POST /visits/{visitId} answered 400"
    assert (error.service, error.method, error.template, error.status) == ("visits", "POST", "/visits/{visitId}", 400)
    assert "Smith" not in repr(error) + repr(vars(error))


def test_a_duplicate_answer_gives_both_mappings():
    error = Conflict("mapping", "POST", "/mapping", body=json.dumps(DUPLICATE).encode())
    assert error.duplicate == {"nomisId": 1, "dpsId": "b"}
    assert error.existing == {"nomisId": 1, "dpsId": "a"}
    assert "dpsId" not in str(error)


@pytest.mark.parametrize(
    ("change", "duplicate", "existing"),
    [
        ({"moreInfo": {"existing": None, "duplicate": {"a": 1}}}, {"a": 1}, None),
        ({"moreInfo": {"duplicate": {"a": 1}}}, {"a": 1}, None),
        ({"moreInfo": None}, None, None),
        ({"moreInfo": "text"}, None, None),
        ({"moreInfo": {"duplicate": "text", "existing": []}}, None, None),
        ({"errorCode": "1409", "moreInfo": {"duplicate": {"a": 1}}}, {"a": 1}, None),
        ({"errorCode": 1410}, None, None),
        ({"errorCode": None}, None, None),
    ],
)
def test_a_duplicate_answer_may_lack_anything(change: dict, duplicate: dict | None, existing: dict | None):
    error = Conflict("mapping", "POST", "/mapping", body=json.dumps(DUPLICATE | change).encode())
    assert (error.duplicate, error.existing) == (duplicate, existing)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"{"])
def test_a_conflict_without_a_readable_body_has_no_mappings(body: bytes):
    error = Conflict("mapping", "POST", "/mapping", body=body)
    assert (error.duplicate, error.existing) == (None, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"status": 409, "errorCode": 107}', 107),
        (b'{"errorCode": "120"}', 120),
        (b'{"errorCode": null}', None),
        (b'{"errorCode": "x1"}', None),
        (b'{"status": 409}', None),
        (b"", None),
    ],
)
def test_a_conflict_tells_the_error_code_of_its_body(body: bytes, code: int | None):
    assert Conflict("locations", "POST", "/sync/upsert", body=body).error_code == code


def test_a_redacted_body_keeps_keys_status_and_error_code_only():
    body = {
        "status": 400,
        "errorCode": 20,
        "userMessage": "Smith",
        "nested": [{"name": "Jones", "age": 40, "lead": True, "none": None}],
        "size": 1.5,
    }
    assert json.loads(redact(json.dumps(body).encode())) == {
        "status": 400,
        "errorCode": 20,
        "userMessage": "string",
        "nested": [{"name": "string", "age": "number", "lead": "boolean", "none": None}],
        "size": "number",
    }


def test_a_status_that_is_text_is_redacted():
    assert json.loads(redact(b'{"status": "CONFLICT"}')) == {"status": "string"}


def test_a_body_that_is_not_json_is_only_counted():
    assert redact("<p>Müller</p>".encode()) == "<text of 13 characters>"
    assert redact(b"\xff\xfe") == "<text of 2 characters>"
    assert redact(b"") == ""


def test_a_redacted_body_is_short_however_deep_or_long_the_answer():
    assert len(redact(json.dumps({f"key{n}": n for n in range(5000)}).encode())) == REDACTED_CHARACTERS
    assert len(redact(b"[" * 100_000 + b"]" * 100_000)) <= REDACTED_CHARACTERS


SECRET = "Xq9Zk2"
values = st.recursive(
    st.just(SECRET) | st.integers(10**11, 10**12) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["status", "a", "b"]), inner, max_size=3)
    ),
)


@given(values)
def test_no_text_of_an_answer_survives_redaction(value: object):
    shape = redact(json.dumps({"body": value}).encode())
    assert SECRET not in shape
    if "status" not in shape:
        assert not any(character.isdigit() for character in shape)
