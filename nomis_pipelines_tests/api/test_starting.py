"""Promise: a start counts, opens the history, tells everyone and has one run launched; two at once are refused."""

import asyncio
from typing import Any

import pytest

from nomis_pipelines.ledger import Ledger, MigrationStatus
from nomis_pipelines.migration.start import MIGRATION_ID_TAG, WHO_TAG
from nomis_pipelines_tests.api.support import MIGRATION, SYSCON, VISITS_2024, Api
from nomis_pipelines_tests.fake_services import RecordingAudit, broken, error

pytestmark = pytest.mark.server

README_2024 = {
    "prisonIds": ["HEI"], "visitTypes": ["SCON"], "fromDateTime": "2021-11-20T10:00:00",
    "endDateTime": "2021-11-24T10:00:00", "ignoreMissingRoom": True,
}  # fmt: skip
"""What operators posted in 2024, with the field that the endpoint does not know."""


async def start(api: Api, *roles: str, **body: Any) -> dict[str, Any]:
    answer = await api.call("POST", "/migrate/visits", *roles, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_the_answer_is_the_contracts(api: Api) -> None:
    answer = await start(api, **README_2024)
    assert answer == {
        "type": "VISITS",
        "migrationId": answer["migrationId"],
        "estimatedCount": 9,
        "body": {
            "prisonIds": ["HEI"],
            "visitTypes": ["SCON"],
            "fromDateTime": "2021-11-20T10:00:00",
            "ignoreMissingRoom": True,
        },
        "properties": {},
    }
    assert len(answer["migrationId"]) == 19


@pytest.mark.parametrize(
    ("roles", "has_properties"),
    [((MIGRATION,), True), ((SYSCON,), True), ((VISITS_2024, MIGRATION), True), ((VISITS_2024,), False)],
)
async def test_clients_of_2024_get_no_properties(api: Api, roles: tuple[str, ...], has_properties: bool) -> None:
    assert ("properties" in await start(api, *roles)) is has_properties


async def test_a_path_of_2024_alone_answers_as_in_2024(api: Api) -> None:
    answer = await api.call("POST", "/migrate/sentencing", MIGRATION, json={})
    body = answer.json()
    assert body == {
        "type": "SENTENCING_ADJUSTMENTS", "migrationId": body["migrationId"], "estimatedCount": 0, "body": {}
    }  # fmt: skip


async def test_defaults_are_filled_in_and_an_explicit_empty_list_stays(api: Api) -> None:
    answer = await start(api, visitTypes=[])
    assert answer["body"] == {"prisonIds": [], "visitTypes": [], "ignoreMissingRoom": False}
    (_, config, _), *_ = api.launcher.launched
    assert config == {"ops": {"plan_pages": {"config": {"filter": answer["body"]}}}}


async def test_everyone_is_told_who_started_what(api: Api) -> None:
    token = api.auth.bearer(MIGRATION, user_name="SOMEBODY")
    answer = (await api.client.post("/migrate/visits", json={"prisonIds": ["BXI"]}, headers=token)).json()
    migration_id = answer["migrationId"]
    started = {"migrationId": migration_id, "estimatedCount": "9", "prisonIds": "[BXI]", "visitTypes": "[SCON]",
               "ignoreMissingRoom": "false"}  # fmt: skip
    assert api.telemetry.named("visits-migration-started") == [started]
    audit = api.context.platform.audit
    assert isinstance(audit, RecordingAudit)
    assert [(what, who) for what, _, _, who, _ in audit.sent] == [("MIGRATION_STARTED", "SOMEBODY")]
    ((job, _, tags),) = api.launcher.launched
    assert job == "migrate_visits_by_filter"
    assert tags == {MIGRATION_ID_TAG: migration_id, WHO_TAG: "SOMEBODY"}
    ledger = api.context.platform.ledger
    row, progress = await ledger.migration(migration_id), await ledger.progress(migration_id)
    assert row is not None
    assert progress is not None
    assert (row.status, row.estimated_record_count, progress.run_id) == (MigrationStatus.STARTED, 9, "run-1")
    assert row.filter == '{"prisonIds":["BXI"],"visitTypes":["SCON"],"ignoreMissingRoom":false}'


async def test_a_second_start_is_refused_while_the_first_waits_for_its_run(api: Api) -> None:
    await start(api, prisonIds=["BXI"])
    answer = await api.call("POST", "/migrate/visits", json={})
    text = 'Migration already in progress for {"prisonIds":["BXI"],"visitTypes":["SCON"],"ignoreMissingRoom":false}'
    assert answer.status_code == 409
    assert answer.json()["userMessage"] == f"Migration already in progress: {text}"
    assert answer.json()["developerMessage"] == text
    assert len(api.launcher.launched) == 1
    assert (await api.call("POST", "/migrate/sentencing", json={})).status_code == 202, "another type may start"


async def test_of_many_starts_at_the_same_moment_one_wins(api: Api) -> None:
    answers = await asyncio.gather(*(api.call("POST", "/migrate/visits", json={}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 7]
    assert len(api.launcher.launched) == 1


@pytest.mark.parametrize("status", ["FAILURE", "CANCELED", "SUCCESS", None])
async def test_a_row_whose_run_ended_unbegun_does_not_stand_in_the_way(api: Api, status: str | None) -> None:
    first = await start(api)
    if status is None:
        api.launcher.runs.clear()
    else:
        api.launcher.runs["run-1"] = status
    second = await start(api)
    row = await api.context.platform.ledger.migration(first["migrationId"])
    assert row is not None
    assert row.status is MigrationStatus.FAILED
    assert second["migrationId"] != first["migrationId"]


async def test_a_row_that_waits_stays_while_dagster_cannot_be_asked(api: Api) -> None:
    await start(api)
    api.launcher.away = True
    assert (await api.call("POST", "/migrate/visits", json={})).status_code == 409


async def test_a_row_whose_process_died_does_not_stand_in_the_way(api: Api) -> None:
    first = await start(api)
    async with await Ledger.open(api.database_url) as run:
        assert await run.take_over(first["migrationId"], "run-1")
        assert (await api.call("POST", "/migrate/visits", json={})).status_code == 409
    await start(api)
    row = await api.context.platform.ledger.migration(first["migrationId"])
    assert row is not None
    assert row.status is MigrationStatus.FAILED


async def test_a_failed_launch_closes_the_row_and_is_told(api: Api) -> None:
    api.launcher.refusal = "Dagster's webserver cannot be reached"
    answer = await api.call("POST", "/migrate/visits", json={})
    assert answer.status_code == 503
    assert "Dagster's webserver cannot be reached" in answer.json()["userMessage"]
    row = await api.context.platform.ledger.latest("VISITS")
    assert row is not None
    assert row.status is MigrationStatus.FAILED
    assert row.migration_id in answer.json()["userMessage"]
    api.launcher.refusal = None
    await start(api)


@pytest.mark.parametrize(
    ("answer", "status"), [(broken(), 503), (error(503), 503), (error(400), 500), (error(404), 500)]
)
async def test_a_count_that_fails_opens_no_row(api: Api, answer: Any, status: int) -> None:
    api.services.order("count", 0, answer)
    refused = await api.call("POST", "/migrate/visits", json={})
    assert refused.status_code == status, refused.text
    assert "nomis GET /visits/ids" in refused.json()["userMessage"]
    assert "Secret" not in refused.text
    assert await api.context.platform.ledger.latest("VISITS") is None
    assert api.launcher.launched == []
