"""Promise: the mock of the adjudications service on the control API (adjudications card, section 8)."""

import copy
import logging
from typing import Any

import pytest

from nomis_pipelines.api.app import build_app
from nomis_pipelines_tests import world
from nomis_pipelines_tests.api.support import ADJUDICATIONS_2024, ALL_ROLES, Api
from nomis_pipelines_tests.domains.adjudications.examples import NUMBER, SENT, SEQUENCE

PATH = "/reported-adjudications/migrate"


@pytest.mark.server
async def test_the_mock_gives_ids_to_a_charge_its_hearings_and_its_punishments(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = await api.call("POST", PATH, ADJUDICATIONS_2024, json=SENT)
    body = answer.json()
    assert answer.status_code == 200
    assert body["chargeNumberMapping"] == {
        "chargeNumber": f"{NUMBER}-{SEQUENCE}",
        "oicIncidentId": NUMBER,
        "offenceSequence": SEQUENCE,
    }
    hearings, punishments = body["hearingMappings"], body["punishmentMappings"]
    assert [each["oicHearingId"] for each in hearings] == [each["oicHearingId"] for each in SENT["hearings"]]
    assert [(each["bookingId"], each["sanctionSeq"]) for each in punishments] == [
        (SENT["bookingId"], each["sanctionSeq"]) for each in SENT["punishments"]
    ]
    ids = [each["hearingId"] for each in hearings] + [each["punishmentId"] for each in punishments]
    assert len(ids) == len(set(ids)) >= 2
    assert all(-(2**63) <= each < 2**63 for each in ids)
    assert f"rehearsed adjudication {NUMBER}-{SEQUENCE}" in caplog.text
    assert SENT["createdByUsername"] not in caplog.text


@pytest.mark.server
async def test_the_mock_takes_its_own_role_only_and_whole_charges(api: Api) -> None:
    assert (await api.client.post(PATH, json=SENT)).status_code == 401
    for role in set(ALL_ROLES) - {ADJUDICATIONS_2024}:
        assert (await api.call("POST", PATH, role, json=SENT)).status_code == 403
    partial: dict[str, Any] = copy.deepcopy(SENT)
    del partial["offenceSequence"]
    refused = await api.call("POST", PATH, ADJUDICATIONS_2024, json=partial)
    assert (refused.status_code, refused.json()["userMessage"].partition(":")[0]) == (400, "Validation failure")


def test_the_published_document_keeps_quiet_about_mocks() -> None:
    assert PATH not in build_app(world.settings()).openapi()["paths"]
