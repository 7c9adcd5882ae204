"""Promise: sections 5 and 6 of the adjustments card: listing, transform, calls and telemetry of the bulk migration."""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
import respx

from nomis_pipelines.contracts.nomis_prisoner import KeyDateAdjustment, SentenceAdjustment
from nomis_pipelines.domains.sentencing_adjustments.clients import AdjustmentKey
from nomis_pipelines.domains.sentencing_adjustments.migration import (
    AdjustmentsFilter,
    AdjustmentsMigration,
    adjustment_ids,
)
from nomis_pipelines.domains.sentencing_adjustments.transform import KNOWN_TYPES, transform
from nomis_pipelines.http import Conflict, NotFound
from nomis_pipelines.migration.declaration import Item, MigrationContext, Rejected
from nomis_pipelines.migration.filters import FilterError, filter_query, run_filter
from nomis_pipelines_tests import world
from nomis_pipelines_tests.recording import RecordingTelemetry

MIGRATION_ID = "2024-06-12T10:00:00"
TODAY = date(2024, 6, 12)
DPS_ID = "0d6f3c1e-1111-4222-8333-944445555666"
KEY = AdjustmentKey("KEY-DATE", 4412)
EXAMPLE_A: dict[str, Any] = {
    "id": 4412, "bookingId": 70010, "offenderNo": "A1234KX",
    "adjustmentType": {"code": "ADA", "description": "Additional Days Awarded"}, "adjustmentDate": "2024-02-01",
    "adjustmentFromDate": "2024-02-03", "adjustmentToDate": "2024-02-09", "adjustmentDays": 7,
    "comment": "Adjudication 12", "active": True, "hasBeenReleased": False, "prisonId": "MDI",
}  # fmt: skip
EXAMPLE_A_BODY = (
    '{"bookingId":70010,"offenderNo":"A1234KX","adjustmentType":"ADA","adjustmentDate":"2024-02-01",'
    '"adjustmentFromDate":"2024-02-03","adjustmentDays":7,"comment":"Adjudication 12","active":true,'
    '"bookingReleased":false,"agencyId":"MDI"}'
)
SENTENCE: dict[str, Any] = {**EXAMPLE_A, "id": 123, "sentenceSequence": 3, "bookingSequence": 1}


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
async def migration(telemetry: RecordingTelemetry) -> AsyncIterator[AdjustmentsMigration]:
    clients = world.clients()
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        yield AdjustmentsMigration(
            MigrationContext(clients=clients, telemetry=telemetry, migration_id=MIGRATION_ID, today=TODAY)
        )
    await clients.aclose()


async def test_worked_example_a_a_key_date_adjustment_of_2024(migration: AdjustmentsMigration) -> None:
    lookup = "/mapping/sentencing/adjustments/nomis-adjustment-category/KEY-DATE/nomis-adjustment-id/4412"
    respx.get(f"{world.MAPPING}{lookup}").respond(404)
    respx.get(f"{world.NOMIS}/key-date-adjustments/4412").respond(json=EXAMPLE_A)
    sent = respx.post(f"{world.SENTENCING}/legacy/adjustments/migration").respond(201, json={"adjustmentId": DPS_ID})
    posted = respx.post(f"{world.MAPPING}/mapping/sentencing/adjustments").respond(201)
    assert await migration.find_mapping(KEY) is None
    dps_id = await migration.write(migration.transform(await migration.read(KEY), TODAY))
    await migration.post_mapping(migration.mapping(KEY, dps_id))
    assert sent.calls.last.request.content.decode() == EXAMPLE_A_BODY
    assert sent.calls.last.request.headers["content-type"] == "application/vnd.nomis-offence+json"
    assert posted.calls.last.request.content.decode() == (
        '{"nomisAdjustmentId":4412,"nomisAdjustmentCategory":"KEY-DATE",'
        f'"adjustmentId":"{DPS_ID}","label":"{MIGRATION_ID}","mappingType":"MIGRATED"}}'
    )


async def test_a_category_that_is_not_sentence_is_read_as_key_date_and_passed_on_as_it_is(
    migration: AdjustmentsMigration,
) -> None:
    odd = AdjustmentKey("KEY_DATE", 4412)
    respx.get(f"{world.NOMIS}/key-date-adjustments/4412").respond(json=EXAMPLE_A)
    assert isinstance(await migration.read(odd), KeyDateAdjustment)
    assert migration.mapping(odd, DPS_ID)["nomisAdjustmentCategory"] == "KEY_DATE"
    assert migration.parse_key(migration.key(odd)) == odd


async def test_an_adjustment_gone_from_nomis_is_a_failure(migration: AdjustmentsMigration) -> None:
    respx.get(f"{world.NOMIS}/sentence-adjustments/123").respond(404)
    with pytest.raises(NotFound):
        await migration.read(AdjustmentKey("SENTENCE", 123))


async def test_both_kinds_come_in_one_list(migration: AdjustmentsMigration) -> None:
    content = [
        {"adjustmentId": 123, "adjustmentCategory": "SENTENCE"},
        {"adjustmentId": 123, "adjustmentCategory": "KEY-DATE"},
    ]
    route = respx.get(f"{world.NOMIS}/adjustments/ids").respond(json={"content": content, "totalElements": 2})
    filter = AdjustmentsFilter(from_date=date(2024, 5, 1), to_date=date(2024, 5, 31))
    page = await adjustment_ids(migration.nomis, filter_query(filter), 0, 1000)
    assert [migration.key(key) for key in page.ids] == ["SENTENCE/123", "KEY-DATE/123"]
    assert route.calls.last.request.url.query == b"fromDate=2024-05-01&toDate=2024-05-31&page=0&size=1000"


def test_a_sentence_adjustment_has_its_sequence_and_its_term() -> None:
    sent = transform(SentenceAdjustment.model_validate(SENTENCE))
    assert (sent.sentence_sequence, sent.current_term) == (3, True)


@pytest.mark.parametrize(("sequence", "term"), [(1, True), (2, False), (None, None)])
def test_the_current_term_is_the_latest_booking(sequence: int | None, term: bool | None) -> None:
    adjustment = KeyDateAdjustment.model_validate({**EXAMPLE_A, "bookingSequence": sequence})
    assert transform(adjustment).current_term is term


@pytest.mark.parametrize("code", ["RX", "RSR", "RST", "S240A", "UR", "ADA", "RADA", "UAL", "LAL", "SREM", "TCA", "TSA"])
def test_every_code_of_the_card_is_sent_as_it_is(code: str) -> None:
    adjustment = {**EXAMPLE_A, "adjustmentType": {"code": code, "description": "x"}}
    assert transform(KeyDateAdjustment.model_validate(adjustment)).adjustment_type == code


def test_the_table_of_codes_is_whole() -> None:
    assert len(KNOWN_TYPES) == 12


@pytest.mark.parametrize("code", ["PC", "HDC", "APPEAL"])
def test_an_unknown_code_is_rejected_with_its_id(code: str) -> None:
    adjustment = KeyDateAdjustment.model_validate({**EXAMPLE_A, "adjustmentType": {"code": code, "description": "x"}})
    with pytest.raises(Rejected) as caught:
        transform(adjustment)
    assert (caught.value.reason, caught.value.details) == (
        "unknown-adjustment-type",
        {"adjustmentId": 4412, "code": code},
    )


@pytest.mark.parametrize("days", [0, -5])
def test_zero_and_negative_days_pass_through(days: int) -> None:
    assert transform(KeyDateAdjustment.model_validate({**EXAMPLE_A, "adjustmentDays": days})).adjustment_days == days


def test_the_telemetry_of_a_migrated_and_of_a_duplicate_adjustment(
    migration: AdjustmentsMigration, telemetry: RecordingTelemetry
) -> None:
    item: Item[Any, Any, Any] = Item(id=KEY, key=migration.record_key(str(KEY)), dps_id=DPS_ID)
    migration.on_migrated(item)
    pair = {"adjustmentId": DPS_ID, "nomisAdjustmentId": 4412, "nomisAdjustmentCategory": "KEY-DATE"}
    body = json.dumps(
        {"errorCode": 1409, "moreInfo": {"duplicate": pair, "existing": {**pair, "adjustmentId": "other"}}}
    )
    migration.on_duplicate(item, Conflict("mapping", "POST", "/m", 409, body=body.encode()), 4)
    assert telemetry.events == [
        (
            "sentencing-adjustments-migration-entity-migrated",
            {
                "nomisAdjustmentId": "4412",
                "nomisAdjustmentCategory": "KEY-DATE",
                "adjustmentId": DPS_ID,
                "migrationId": MIGRATION_ID,
            },
        ),
        (
            "nomis-migration-adjustment-duplicate",
            {
                "migrationId": MIGRATION_ID,
                "duplicateAdjustmentId": DPS_ID,
                "duplicateNomisAdjustmentId": "4412",
                "duplicateNomisAdjustmentCategory": "KEY-DATE",
                "existingAdjustmentId": "other",
                "existingNomisAdjustmentId": "4412",
                "existingNomisAdjustmentCategory": "KEY-DATE",
                "durationMinutes": "4",
            },
        ),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fromDate": "2024-05-02", "toDate": "2024-05-01"}, "fromDate is after toDate"),
        ({"fromDate": "yesterday"}, "fromDate"),
        ({"fromDate": "2024-05-01T00:00:00Z"}, "fromDate: .*such as 2024-05-01"),
        ({"toDate": "2024-05-01T00:00:00"}, "toDate: .*such as 2024-05-01"),
        ({"toDate": 1714521600}, "toDate: .*such as 2024-05-01"),
        ({"prisonIds": ["HEI"]}, "prisonIds unknown"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(FilterError, match=words):
        run_filter(AdjustmentsMigration, values, None)
