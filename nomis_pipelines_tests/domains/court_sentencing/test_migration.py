"""Promise: section 5 of the court sentencing card: ids, calls, batch, telemetry, payload, and who is passed over."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from nomis_pipelines.domains.court_sentencing.entities import CASE as OF_CASE, TERM as OF_TERM, CourtKey
from nomis_pipelines.domains.court_sentencing.migration import (
    CourtSentencingFilter,
    CourtSentencingMigration,
    prisoner_ids,
)
from nomis_pipelines.domains.court_sentencing.prisoners import Prisoner, payload
from nomis_pipelines.http import Conflict, HttpClients, NotFound
from nomis_pipelines.migration.declaration import Ignored, Item, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.filters import filter_query, run_filter
from nomis_pipelines.migration.partitions import Whole
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.court_sentencing.examples import (
    BOOKING,
    CASE,
    CHARGE,
    COURT_CASE,
    FIRST,
    LAST,
    PRISONER,
    SENTENCE,
    TERM,
    Services,
)
from nomis_pipelines_tests.recording import RecordingTelemetry

MIGRATION_ID = "2025-03-14T09:30:00"
TODAY = date(2025, 3, 14)
D1 = "POST dps /legacy/court-case/migration"
SUMMARY = f"GET mapping /prisoner/{PRISONER}/migration-summary"
MADE = {
    "courtCases": [{"courtCaseUuid": CASE, "caseId": 70001}],
    "appearances": [{"appearanceUuid": FIRST, "eventId": 81001}, {"appearanceUuid": LAST, "eventId": 81002}],
    "charges": [{"chargeUuid": CHARGE, "chargeNOMISId": 9101}],
    "sentences": [{"sentenceUuid": SENTENCE, "sentenceNOMISId": {"offenderBookingId": BOOKING, "sequence": 1}}],
    "sentenceTerms": [
        {
            "periodLengthUuid": TERM,
            "sentenceTermNOMISId": {"offenderBookingId": BOOKING, "sentenceSequence": 1, "termSequence": 1},
        }
    ],
}
M = {"mappingType": "MIGRATED"}
BATCH: dict[str, Any] = {
    "label": MIGRATION_ID, "mappingType": "MIGRATED",
    "courtCases": [{"nomisCourtCaseId": 70001, "dpsCourtCaseId": CASE, **M}],
    "courtAppearances": [
        {"nomisCourtAppearanceId": 81001, "dpsCourtAppearanceId": FIRST, **M},
        {"nomisCourtAppearanceId": 81002, "dpsCourtAppearanceId": LAST, **M},
    ],
    "courtCharges": [{"nomisCourtChargeId": 9101, "dpsCourtChargeId": CHARGE, **M}],
    "sentences": [{"nomisBookingId": BOOKING, "nomisSentenceSequence": 1, "dpsSentenceId": SENTENCE, **M}],
    "sentenceTerms": [
        {
            "nomisBookingId": BOOKING, "nomisSentenceSequence": 1, "nomisTermSequence": 1, "dpsTermId": TERM, **M,
        }
    ],
}  # fmt: skip
OUTCOME = {
    "nomisOutcomeCode": "1002", "outcomeDescription": "Imprisonment", "outcomeDispositionCode": "F",
    "outcomeConvictionFlag": True,
}  # fmt: skip
OFFENCE = {"chargeNOMISId": 9101, "offenceCode": "TH68010", "offenceStartDate": "2024-01-20"}
PAYLOAD: dict[str, Any] = {
    "prisonerId": PRISONER,
    "courtCases": [
        {
            "caseId": 70001, "active": True,
            "courtCaseLegacyData": {
                "bookingId": BOOKING,
                "caseReferences": [
                    {"offenderCaseReference": "LS24/118", "updatedDate": "2024-02-01T09:10:12"},
                    {"offenderCaseReference": "T2024/9", "updatedDate": "2024-02-02T08:00:00"},
                ],
            },
            "appearances": [
                {
                    "eventId": 81001, "courtCode": "LEEDMC", "appearanceDate": "2024-02-01",
                    "legacyData": {
                        "postedDate": "2025-03-14", "nomisOutcomeCode": "4506", "outcomeDescription": "Adjournment",
                        "outcomeDispositionCode": "I", "outcomeConvictionFlag": False,
                        "nextEventDateTime": "2024-03-05T10:30:00", "appearanceTime": "10:00",
                        "nomisAppearanceTypeCode": "CRT",
                    },
                    "charges": [
                        {
                            **OFFENCE,
                            "legacyData": {"postedDate": "2025-03-14", "offenceDescription": "Theft from a shop"},
                        }
                    ],
                },
                {
                    "eventId": 81002, "courtCode": "LEEDCC", "appearanceDate": "2024-03-05",
                    "legacyData": {
                        "postedDate": "2025-03-14", **OUTCOME, "appearanceTime": "10:30:15",
                        "nomisAppearanceTypeCode": "CRT", "comments": "by video link",
                    },
                    "charges": [
                        {
                            **OFFENCE,
                            "legacyData": {
                                "postedDate": "2025-03-14", **OUTCOME, "offenceDescription": "Theft from a shop",
                            },
                            "sentence": {
                                "sentenceId": {"offenderBookingId": BOOKING, "sequence": 1}, "active": True,
                                "legacyData": {
                                    "sentenceCalcType": "ADIMP",
                                    "sentenceTypeDesc": "Standard Determinate Sentence", "sentenceCategory": "2020",
                                    "postedDate": "2024-03-05T12:00", "nomisLineReference": "1",
                                    "bookingId": BOOKING,
                                },
                                "periodLengths": [
                                    {
                                        "periodLengthId": {
                                            "offenderBookingId": BOOKING, "sentenceSequence": 1, "termSequence": 1,
                                        },
                                        "periodYears": 2,
                                        "legacyData": {
                                            "lifeSentence": False, "sentenceTermCode": "IMP",
                                            "sentenceTermDescription": "Imprisonment",
                                        },
                                    }
                                ],
                            },
                        }
                    ],
                },
            ],
        }
    ],
}  # fmt: skip


@dataclass
class Bench:
    """A migration of one filter, the services around it and what it told."""

    clients: HttpClients
    services: Services
    telemetry: RecordingTelemetry

    def migration(self, **filter: Any) -> CourtSentencingMigration:
        context = MigrationContext(
            clients=self.clients, telemetry=self.telemetry, migration_id=MIGRATION_ID, today=TODAY,
            filter=CourtSentencingFilter.model_validate(filter),
        )  # fmt: skip
        return CourtSentencingMigration(context)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clients = world.clients()
    with respx.mock:
        respx.post(f"{world.AUTH}/oauth/token").respond(json={"access_token": "t", "expires_in": 600})
        services = Services(mapped={})
        services.listen()
        services.answer(D1, httpx.Response(201, json=MADE))
        yield Bench(clients, services, RecordingTelemetry())
    await clients.aclose()


async def migrated(migration: CourtSentencingMigration) -> Written:
    written = await migration.write(migration.transform(await migration.read(PRISONER), TODAY))
    await migration.post_mapping(written.mapping)
    return written


@pytest.mark.parametrize("replace", [False, True])
async def test_worked_example_1_the_migration_of_a_prisoner(bench: Bench, replace: bool) -> None:
    migration = bench.migration(deleteExisting=replace)
    written = await migrated(migration)
    assert bench.services.writes == [(D1, PAYLOAD), (f"POST mapping /prisoner/{PRISONER}/court-cases", BATCH)]
    (call,) = [call for call in respx.calls if call.request.url.path == "/legacy/court-case/migration"]
    assert call.request.url.query == f"deleteExisting={'true' if replace else 'false'}".encode()
    item = Item[Any, Any, Any](
        id=PRISONER, key=migration.record_key(PRISONER), dps_id=written.dps_id, mapping=written.mapping
    )
    migration.on_migrated(item)
    migration.on_duplicate(item, Conflict("mapping", "POST", "/x"), 3)
    assert bench.telemetry.events == [
        ("court-sentencing-migration-entity-migrated", {"offenderNo": PRISONER, "migrationId": MIGRATION_ID}),
        (
            "nomis-migration-court-sentencing-duplicate",
            {"migrationId": MIGRATION_ID, "offenderId": PRISONER, "durationMinutes": "3"},
        ),
    ]


async def test_the_payload_is_what_would_be_sent_and_nothing_is(bench: Bench) -> None:
    shown = await payload(bench.clients, Prisoner(offender_no=PRISONER), TODAY)
    assert shown.model_dump(mode="json", by_alias=True, exclude_none=True) == PAYLOAD
    assert bench.services.writes == []


async def test_a_prisoner_without_cases_is_sent_and_mapped_like_any_other(bench: Bench) -> None:
    bench.services.nomis[f"/prisoners/{PRISONER}/sentencing/court-cases"] = []
    bench.services.answer(D1, httpx.Response(201, json={name: [] for name in MADE}))
    written = await migrated(bench.migration())
    (_, body), (_, batch) = bench.services.writes
    assert body == {"prisonerId": PRISONER, "courtCases": []}
    assert {name: value for name, value in batch.items() if value == []} == {
        name: [] for name in ("courtCases", "courtAppearances", "courtCharges", "sentences", "sentenceTerms")
    }
    assert written.dps_id == PRISONER


async def test_a_prisoner_unknown_to_nomis_fails(bench: Bench) -> None:
    bench.services.nomis.clear()
    with pytest.raises(NotFound):
        await bench.migration().read(PRISONER)


async def test_who_was_migrated_is_passed_over_unless_everything_is_to_come_again(bench: Bench) -> None:
    assert await bench.migration().find_mapping(PRISONER) is None
    summary = {"offenderNo": PRISONER, "migrationId": "2025-01-01T00:00:00", "mappingsCount": 1}
    bench.services.answer(SUMMARY, httpx.Response(200, json=summary))
    assert await bench.migration().find_mapping(PRISONER) == PRISONER
    assert await bench.migration(deleteExisting=True).find_mapping(PRISONER) is None


async def test_after_a_merge_a_prisoner_is_done_when_every_case_is_mapped(bench: Bench) -> None:
    bench.services.answer(SUMMARY, httpx.Response(200, json={"offenderNo": PRISONER, "mappingsCount": 1}))
    assert await bench.migration().find_mapping(PRISONER) is None
    bench.services.mapped["case", 70001] = CASE
    assert await bench.migration().find_mapping(PRISONER) == PRISONER


async def test_whose_cases_came_by_events_is_passed_over_and_whose_came_in_part_is_rejected(bench: Bench) -> None:
    bench.services.mapped["case", 70001] = CASE
    with pytest.raises(Ignored, match="synchronised-already"):
        await bench.migration().read(PRISONER)
    cases = bench.services.nomis[f"/prisoners/{PRISONER}/sentencing/court-cases"]
    cases.append({**COURT_CASE, "id": 70002})
    migration = bench.migration()
    with pytest.raises(Rejected) as caught:
        migration.transform(await migration.read(PRISONER), TODAY)
    assert (caught.value.reason, caught.value.details) == ("partly-synchronised", {"mapped": 1, "notMapped": 1})
    again = bench.migration(deleteExisting=True)
    assert len(again.transform(await again.read(PRISONER), TODAY).court_cases) == 2


async def test_numbers_that_are_given_are_believed_and_counted_as_one(bench: Bench) -> None:
    nomis = bench.clients.client("nomis")
    query = filter_query(CourtSentencingFilter(offender_no="A1234BC,A1235BC"))
    page = await prisoner_ids(nomis, query, 0, 1000)
    assert (page.ids, page.total) == (["A1234BC", "A1235BC"], 1)
    assert (await prisoner_ids(nomis, query, 1, 1000)).ids == []
    assert not [call for call in respx.calls if call.request.url.host == "nomis.test"]


async def test_all_prisoners_are_asked_for_by_page_and_by_nothing_else(bench: Bench) -> None:
    bench.services.nomis["/prisoners/ids/all"] = {"content": [{"offenderNo": PRISONER}], "totalElements": 7, "size": 1}
    query = filter_query(CourtSentencingFilter(from_date=date(2024, 1, 1), delete_existing=True))
    page = await prisoner_ids(bench.clients.client("nomis"), query, 3, 1)
    assert (page.ids, page.total) == ([PRISONER], 7)
    assert respx.calls.last.request.url.query == b"page=3&size=1"


def test_the_partition_is_the_whole_unless_numbers_are_given() -> None:
    partitions = CourtSentencingMigration.partitions
    assert isinstance(partitions, Whole)
    assert partitions.covered(CourtSentencingFilter(from_date=date(2024, 1, 1)), TODAY) == ["all"]
    assert partitions.covered(run_filter(CourtSentencingMigration, {"offenderNo": ""}, "all"), TODAY) == ["all"]
    assert partitions.covered(CourtSentencingFilter(offender_no=PRISONER), TODAY) == []


def test_only_what_steers_the_run_is_a_property_of_it() -> None:
    given = CourtSentencingFilter(offender_no=PRISONER, delete_existing=True)
    assert CourtSentencingMigration.properties(given) == {"deleteExisting": True}
    assert CourtSentencingMigration.properties(CourtSentencingFilter()) == {"deleteExisting": False}


async def test_a_batch_that_shows_only_our_own_pairs_is_no_duplicate(bench: Bench) -> None:
    migration = bench.migration()
    mine = {"offenderNo": PRISONER, **BATCH}
    assert migration.is_own_pair(mine, {**BATCH, "sentences": []})
    assert not migration.is_own_pair(mine, {"courtCases": []})
    other = {**BATCH, "courtCases": [{"nomisCourtCaseId": 70001, "dpsCourtCaseId": "another"}]}
    assert not migration.is_own_pair(mine, other)
    assert migration.existing_dps_id(mine, other) == "another"
    assert migration.existing_dps_id(mine, {}) == "unknown"


async def test_what_events_left_is_mapped_by_its_kind_and_whole_prisoners_are_never_adopted(bench: Bench) -> None:
    migration = bench.migration()
    case, term = CourtKey.of(PRISONER, OF_CASE, (70001,)), CourtKey.of(PRISONER, OF_TERM, (BOOKING, 1, 1))
    assert migration.parse_key(str(term)) == term
    assert await migration.find_mapping(case) is None
    pair = migration.mapping_of_created(case, CASE)
    await migration.post_mapping(pair)
    await migration.post_mapping(migration.mapping_of_created(term, TERM))
    await migration.post_mapping({"replace": True, **BATCH})
    assert bench.services.writes == [
        (
            "POST mapping /court-cases",
            {
                "nomisCourtCaseId": 70001, "dpsCourtCaseId": CASE, "mappingType": "NOMIS_CREATED",
                "courtAppearances": [], "courtCharges": [], "sentences": [],
            },
        ),
        (
            "POST mapping /sentence-terms",
            {
                "nomisBookingId": BOOKING, "nomisSentenceSequence": 1, "nomisTermSequence": 1, "dpsTermId": TERM,
                "mappingType": "NOMIS_CREATED",
            },
        ),
        ("PUT mapping /court-cases/replace", BATCH),
    ]  # fmt: skip
    assert await migration.find_mapping(case) == CASE
    for key in (PRISONER, CourtKey(PRISONER, "merge", ("B9876XY", "1"))):
        with pytest.raises(DoubtError, match="repair cases"):
            migration.mapping(key, "x")
    with pytest.raises(Rejected, match="made-by-an-event"):
        await migration.read(case)
    with pytest.raises(ValueError, match="is not a record"):
        migration.parse_key("A4321BC/case")
