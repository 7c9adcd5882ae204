"""Promise: a document that cannot be used is refused with a clear message; a producer finds its contract."""

import json
from pathlib import Path

import httpx
import pytest
import respx

from nomis_pipelines.contract_tools import (
    Document,
    DocumentError,
    choose_contract,
    compare,
    load_contracts,
    load_document,
)
from nomis_pipelines_tests.contracts.documents import document, reading


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "is not JSON"),
        ("[]", "is not an OpenAPI 3 document"),
        ('{"swagger": "2.0", "paths": {}}', "does not begin with 3"),
        ('{"openapi": "3.1.0"}', "has no `paths`"),
    ],
)
def test_a_file_that_is_no_openapi_document_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "docs.json"
    path.write_text(text)

    with pytest.raises(DocumentError, match=message) as raised:
        load_document(str(path))

    assert str(path) in str(raised.value)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(DocumentError, match="No such file"):
        load_document(str(tmp_path / "none.json"))


def test_a_folder_without_contracts_is_refused(tmp_path: Path):
    with pytest.raises(DocumentError, match="no consumer contract"):
        load_contracts(tmp_path)


@respx.mock
def test_a_document_is_fetched_from_an_address():
    respx.get("https://producer.test/v3/api-docs").respond(json={"openapi": "3.0.1", "paths": {}})

    assert load_document("https://producer.test/v3/api-docs").paths == {}


@respx.mock
@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.ConnectTimeout("timed out")], ids=["503", "timeout"])
def test_an_address_that_does_not_answer_is_refused(answer: httpx.Response | Exception):
    respx.get("https://producer.test/v3/api-docs").mock(**_effect(answer))

    with pytest.raises(DocumentError, match=r"producer\.test/v3/api-docs cannot be fetched"):
        load_document("https://producer.test/v3/api-docs")


def _effect(answer: httpx.Response | Exception) -> dict[str, object]:
    return {"side_effect": answer} if isinstance(answer, Exception) else {"return_value": answer}


def test_the_contract_that_shares_most_paths_is_chosen():
    visits, alerts = document("/visits/{id}", {}), document("/alerts/{id}", {})

    assert choose_contract([visits, alerts], document("/alerts/{alertId}", {})) is alerts


def test_no_contract_is_chosen_when_none_stands_out():
    visits, also_visits = document("/visits/{id}", {}), document("/visits/{visitId}", {})

    with pytest.raises(DocumentError, match="no contract shares a path"):
        choose_contract([visits], document("/alerts", {}))
    with pytest.raises(DocumentError, match="choose one with --contract"):
        choose_contract([visits, also_visits], document("/visits/{id}", {}))


def test_a_producers_document_that_is_not_well_formed_is_refused():
    theirs = Document(
        "odd.json", json.loads('{"openapi": "3.1.0", "paths": {"/thing": {"get": {"parameters": [{}]}}}}')
    )

    with pytest.raises(DocumentError, match=r"odd\.json is not a well-formed OpenAPI document"):
        compare(reading({"type": "string"}), theirs)
