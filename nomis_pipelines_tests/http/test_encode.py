"""Paths, queries and bodies are written as the services expect them."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, ValidationError

from nomis_pipelines.http.encode import header_list, json_bytes, parser, path_template, query_string


class Kind(Enum):
    SOCIAL = "SCON"


class Visit(BaseModel):
    visit_id: int = Field(alias="visitId")
    comment: str | None = None


def test_path_values_are_percent_encoded_entirely():
    path = path_template("/locations/{key}/history/{id}").fill({"key": "MDI-A/1 é?#", "id": 5})
    assert path == "/locations/MDI-A%2F1%20%C3%A9%3F%23/history/5"


@given(
    st.text(min_size=1).filter(
        lambda text: text not in {".", ".."} and not set(text) & set(map(chr, range(0xD800, 0xE000)))
    )
)
def test_any_path_value_stays_one_segment(value: str):
    path = path_template("/a/{b}/c").fill({"b": value})
    assert path.count("/") == 3
    assert unquote(path.split("/")[2]) == value


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_path_value_that_would_be_another_path_is_refused(value: str):
    with pytest.raises(ValueError, match="visitId"):
        path_template("/visits/{visitId}").fill({"visitId": value})


def test_a_missing_path_value_is_named():
    with pytest.raises(ValueError, match="no value for visitId"):
        path_template("/visits/{visitId}").fill({})


@pytest.mark.parametrize("value", ["A\r\nB", "Zoë", "\t"])
def test_a_header_value_that_no_header_can_have_is_refused_by_the_name_of_its_header(value: str):
    with pytest.raises(ValueError, match=r"^header Username: only printable ASCII can be sent$"):
        header_list({"Source": "NOMIS", "Username": value})


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ((), ""),
        ({}, ""),
        ({"a": None}, ""),
        ({"a": []}, ""),
        ({"prisonIds": ["MDI", "LEI"]}, "?prisonIds=MDI&prisonIds=LEI"),
        ([("prisonIds", "MDI"), ("prisonIds", "LEI")], "?prisonIds=MDI&prisonIds=LEI"),
        ({"a": True, "b": False}, "?a=true&b=false"),
        ({"from": date(2024, 5, 1)}, "?from=2024-05-01"),
        ({"at": datetime(2024, 5, 1, 9, 30)}, "?at=2024-05-01T09%3A30"),
        ({"at": datetime(2024, 5, 1, 9, 30, 5)}, "?at=2024-05-01T09%3A30%3A05"),
        ({"at": datetime(2024, 5, 1, 9, 30, 0, 7)}, "?at=2024-05-01T09%3A30%3A00.000007"),
        ({"kind": Kind.SOCIAL}, "?kind=SCON"),
        ({"n": 5, "d": Decimal("1.50"), "u": UUID(int=1)}, "?n=5&d=1.50&u=00000000-0000-0000-0000-000000000001"),
        ({"q": "a b&c=é+"}, "?q=a%20b%26c%3D%C3%A9%2B"),
        ([("a", 1), ("b", None), ("c", ("x", None))], "?a=1&c=x"),
    ],
)
def test_a_query_is_written_as_the_services_read_it(query: object, text: str):
    assert query_string(query) == text  # type: ignore[arg-type]


def test_models_are_written_by_alias_and_without_nulls():
    assert json_bytes(Visit(visitId=1), keep_nulls=False) == b'{"visitId":1}'
    assert json_bytes(Visit(visitId=1), keep_nulls=True) == b'{"visitId":1,"comment":null}'


def test_mappings_and_lists_are_written_as_models_are():
    body = {"visits": [Visit(visitId=1)], "from": date(2024, 5, 1), "none": None, "inner": {"none": None}}
    assert json_bytes(body, keep_nulls=False) == b'{"visits":[{"visitId":1}],"from":"2024-05-01","inner":{}}'
    assert json_bytes([Visit(visitId=1)], keep_nulls=False) == b'[{"visitId":1}]'
    assert json_bytes({"none": None}, keep_nulls=True) == b'{"none":null}'


def test_answers_are_models_lists_of_models_plain_types_or_text():
    assert parser(Visit)(b'{"visitId": 1}') == Visit(visitId=1)
    assert parser(list[Visit])(b'[{"visitId": 1}]') == [Visit(visitId=1)]
    assert parser(dict[str, int])(b'{"a": 1}') == {"a": 1}
    assert parser(str)("é".encode()) == "é"
    with pytest.raises(ValidationError):
        parser(Visit)(b"")
