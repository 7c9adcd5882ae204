"""Promise: reconciliation finds every record that stands wrong, names it, calls for no more than it needs to, and
changes nothing.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.http import CircuitOpen, WireRequest, WireResponse
from nomis_pipelines.ledger import RecordKey
from nomis_pipelines.migration import reconcile_report as report
from nomis_pipelines.migration.partitions import ByMonth, PartitionError
from nomis_pipelines.migration.reconcile import Reconciler
from nomis_pipelines.migration.reconciliation import EARLIER, Reconciliation, Scope, Standing
from nomis_pipelines.migration.verdicts import Verdict
from nomis_pipelines_tests.fake_services import FakePlatform, FakeServices, error, json_answer, migrate, platform_on

pytestmark = pytest.mark.server

MIGRATION = VISITS.migration
MARCH = Scope(from_month="2026-01", to_month="2026-03")
CREATED = {1: "2026-01-10T10:00:00", 2: "2026-01-10T10:00:00", 3: "2026-02-01T00:00:00", 4: "2026-02-20T09:15:30"}


@dataclass
class Listing(FakeServices):
    """Lists ids by prison and time of creation, as NOMIS does, and keeps what it was asked for."""

    def _page(self, request: WireRequest) -> WireResponse:
        query = parse_qs(urlsplit(request.url).query)
        prisons = query.get("prisonIds", [])
        start, end = query.get("fromDateTime", [""])[0], query.get("toDateTime", ["9"])[0]
        ids = sorted(
            number
            for number, visit in self.visits.items()
            if (not prisons or visit["prisonId"] in prisons) and start <= visit["whenCreated"][:16] <= end
        )
        number, size = int(query["page"][0]), int(query["size"][0])
        content = [{"visitId": visit} for visit in ids[number * size : (number + 1) * size]]
        return json_answer(200, {"content": content, "totalElements": len(ids), "size": size, "number": number})


@pytest.fixture
def services() -> Listing:
    """Six visits at two prisons in three months; the third was made exactly when its month began."""
    made = Listing()
    for number, when in CREATED.items():
        made.add(number, whenCreated=when, prisonId="BXI" if number % 2 else "HEI")
    made.add(5, 6, whenCreated="2026-03-01T08:00:00", prisonId="HEI")
    return made


@pytest.fixture
async def platform(services: Listing, ledger_url: str) -> AsyncIterator[FakePlatform]:
    changes = {"NOMIS_PIPELINES_HTTP_ATTEMPTS": "1", "NOMIS_PIPELINES_BREAKER_SECONDS": "0.2"}
    async with platform_on(services, ledger_url, NOMIS_PIPELINES_PAGE_SIZE="2", **changes) as made:
        yield made


def key(number: int) -> RecordKey:
    return MIGRATION.record_key(str(number))


async def reconcile(platform: FakePlatform, scope: Scope = MARCH, **more: Any) -> Reconciliation:
    return await Reconciler(platform, MIGRATION, prisons=["AAI", "BXI", "HEI"], **more).run(scope)


def standings(found: Reconciliation) -> dict[str, list[str]]:
    wrong = sorted({example.standing.value for example in found.examples})
    return {name: [e.nomis_id for e in found.examples if e.standing.value == name] for name in wrong}


async def test_what_is_migrated_is_in_order_and_counted_once_by_prison_and_month(
    platform: FakePlatform, services: Listing
) -> None:
    await migrate(platform, MIGRATION)
    services.calls.clear()
    found = await reconcile(platform)
    # the third lies on the seam of two windows
    assert {cell: dict(counts) for cell, counts in found.cells.items()} == {
        ("BXI", "2026-01"): {Standing.MAPPED: 2},
        ("HEI", "2026-01"): {Standing.MAPPED: 1},
        ("HEI", "2026-02"): {Standing.MAPPED: 1},
        ("HEI", "2026-03"): {Standing.MAPPED: 2},
    }
    assert (found.in_nomis, found.examples, found.different()) == (6, [], {})
    assert report.verdict(found).passed
    # three months, three counts; a mapping is asked for once a record; no record is read
    assert (services.called("count"), services.called("lookup"), services.called("read")) == (3, 6, 0)


async def test_without_a_scope_every_month_and_what_is_earlier_is_looked_at(
    platform: FakePlatform, services: Listing
) -> None:
    services.add(7, whenCreated="2008-05-05T00:00:00", prisonId="BXI")
    found = await reconcile(platform, Scope())
    assert (found.months[0], found.months[1], found.months[-1]) == (EARLIER, "2010-01", "2026-03")
    assert found.cells["BXI", EARLIER][Standing.NEVER_MIGRATED] == 1
    assert found.in_nomis == 7
    # 196 windows, and the prisons of the four that hold something: far from every prison of every month
    assert services.called("count") <= 1 + 195 + 4 * 3


async def test_records_that_nobody_knows_are_placed_by_asking_for_prisons_in_their_months_only(
    platform: FakePlatform, services: Listing
) -> None:
    services.visits[6]["prisonId"] = "ZZI"  # of a prison that nobody has named
    found = await reconcile(platform)
    assert standings(found) == {"never_migrated": ["6", "1", "3", "2", "4", "5"]}  # by prison, month and id
    assert found.cells["HEI", "2026-03"] == {Standing.NEVER_MIGRATED: 1}
    assert found.cells["?", "2026-03"] == {Standing.NEVER_MIGRATED: 1}
    assert services.called("read") == 0
    judged = report.verdict(found)
    assert (judged.passed, judged.serious, judged.count) == (False, True, 6)
    assert "nomis-pipelines migrate visits" in judged.advice


async def test_every_way_to_stand_wrong_is_told_apart(platform: FakePlatform, services: Listing) -> None:
    services.order("record", 1, error(500), always=True)
    services.order("read", 2, error(500), always=True)
    await migrate(platform, MIGRATION)
    ledger = platform.ledger
    del services.mappings[3]
    services.mappings[4]["vsipId"] = "somebody-else's"
    await ledger.dismiss([key(2)])
    services.add(7, 8, whenCreated="2026-03-02T08:00:00", prisonId="HEI")
    await ledger.claim(key(7), migration_id="m", partition="HEI|2026-03")
    await ledger.in_doubt(key(7))
    await ledger.rejected(key(8), reason="no-room-mapping", migration_id="m", partition="HEI|2026-03")
    services.order("lookup", 6, error(500), always=True)
    found = await reconcile(platform)
    assert standings(found) == {
        "disagrees": ["4"], "dismissed": ["2"], "in_doubt": ["7"], "mapping_lost": ["3"], "not_asked": ["6"],
        "rejected": ["8"], "unmapped": ["1"],
    }  # fmt: skip
    assert found.in_nomis == 8
    judged = report.verdict(found)
    assert judged.summary == (
        "NOMIS has 8, 1 are mapped, 1 mapping lost, 1 unmapped, 1 disagrees, 1 in doubt, 1 not asked, "
        "1 rejected, 1 dismissed"
    )
    (example,) = found.examples_of(Standing.DISAGREES, 5)
    assert example.mapped_dps_id == "somebody-else's"
    assert example.ledger_dps_id.startswith("ref-")
    assert {row["NOMIS id"] for row in judged.rows} == {"1", "3", "4", "6", "7"}


async def test_what_nomis_has_no_more_is_surplus_only_while_it_is_mapped(
    platform: FakePlatform, services: Listing
) -> None:
    await migrate(platform, MIGRATION)
    for gone in (4, 5):
        del services.visits[gone]
    del services.mappings[5]  # deleted on both sides
    services.visits[6]["whenCreated"] = "2025-01-01T00:00:00"  # still there, though this scope does not list it
    found = await reconcile(platform)
    assert standings(found) == {"surplus": ["4"]}
    assert found.cells["HEI", "2026-02"][Standing.SURPLUS] == 1
    assert found.in_nomis == 3
    assert not report.verdict(found).passed


async def test_a_record_that_was_just_being_made_is_not_called_missing(
    platform: FakePlatform, services: Listing
) -> None:
    await migrate(platform, MIGRATION)
    services.order("lookup", 6, error(404))
    found = await reconcile(platform)
    assert report.verdict(found).passed
    assert found.totals() == Counter({Standing.MAPPED: 6})


async def test_a_scope_of_prisons_and_months_asks_for_nothing_else(platform: FakePlatform, services: Listing) -> None:
    await migrate(platform, MIGRATION)
    del services.mappings[5]
    del services.mappings[3]
    services.calls.clear()
    found = await reconcile(platform, Scope(prisons=["HEI"], from_month="2026-03"))
    assert standings(found) == {"mapping_lost": ["5"]}
    assert set(found.cells) == {("HEI", "2026-03")}
    assert services.called("lookup") == 3  # two, and the one that is wrong once more


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(prisons=["hei"]), "'hei' is not a prison code"),
        (Scope(from_month="May"), "'May' is not a month"),
        (Scope(from_month="2026-03", to_month="2026-01"), "no month from 2026-03 to 2026-01"),
    ],
)
async def test_a_scope_that_cannot_be_meant_is_refused(platform: FakePlatform, scope: Scope, words: str) -> None:
    with pytest.raises(PartitionError, match=words):
        await reconcile(platform, scope)


async def test_months_alone_are_reconciled_without_prisons(platform: FakePlatform, services: Listing) -> None:
    class Monthly(MIGRATION):
        """A domain that can be asked for by dates only."""

        partitions = ByMonth("2026-01", "from_date_time", "to_date_time")

    with pytest.raises(PartitionError, match="cannot be reconciled by prison"):
        await Reconciler(platform, Monthly).run(Scope(prisons=["HEI"]))
    found = await Reconciler(platform, Monthly, prisons=["HEI"]).run(Scope(from_month="2026-02", to_month="2026-02"))
    assert {prison for prison, _ in found.cells} == {""}


async def test_a_service_that_is_down_ends_it(platform: FakePlatform, services: Listing) -> None:
    services.order("lookup", 1, CircuitOpen("mapping", "GET", "/mapping"), always=True)
    with pytest.raises(CircuitOpen):
        await reconcile(platform)


async def test_a_stop_is_heeded_and_said(platform: FakePlatform, services: Listing) -> None:
    reconciler = Reconciler(platform, MIGRATION)
    reconciler.stop.request("SIGTERM")
    found = await reconciler.run(MARCH)
    assert not found.complete
    judged = report.verdict(found)
    assert (judged.passed, "stopped before the end" in judged.summary) == (False, True)


async def test_nothing_is_changed(platform: FakePlatform, services: Listing) -> None:
    await migrate(platform, MIGRATION)
    del services.mappings[3]
    before = await platform.ledger.lookup("visits", [str(number) for number in range(1, 7)])
    written = len(services.written)
    services.calls.clear()
    await reconcile(platform)
    assert await platform.ledger.lookup("visits", [str(number) for number in range(1, 7)]) == before
    assert (len(services.written), {name for name, _ in services.calls}) == (written, {"count", "ids", "lookup"})


async def test_the_report_shows_ids_and_no_person(platform: FakePlatform, services: Listing, tmp_path: Path) -> None:
    await migrate(platform, MIGRATION)
    del services.mappings[5]
    found = await reconcile(platform)
    png = report.picture(found)
    assert png.startswith(b"\x89PNG")
    now = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
    path = report.write(found, png, tmp_path / "reports", now)
    assert path.name == "reconcile-visits-20260310T020000.html"
    text = path.read_text()
    assert "data:image/png;base64," in text
    assert "<td>5</td>" in text
    assert "Not in order" in text
    for secret in ("Petra Novak", "01632", "Wheelchair", "A0005AA"):
        assert secret not in text
    prisons, months, grid = report.completeness(found)
    assert prisons == ["BXI", "HEI"]
    assert months == ["2026-01", "2026-02", "2026-03"]
    assert grid[1].tolist() == [100.0, 100.0, 50.0]


def test_a_reconciliation_that_found_nothing_has_no_picture_and_still_a_page() -> None:
    found = Reconciliation(domain="visits", scope=Scope(prisons=["HEI"], from_month="2026-01"), months=["2026-01"])
    assert report.picture(found) == b""
    text = report.page(found, b"", datetime(2026, 3, 10, tzinfo=UTC))
    assert "HEI, from 2026-01" in text
    assert "In order" in text


def test_a_verdict_is_what_the_sensor_of_failed_checks_reads() -> None:
    found = Reconciliation(domain="visits", scope=Scope(), months=[])
    found.cells["HEI", "2026-01"][Standing.REJECTED] = 2
    judged = report.verdict(found)
    assert judged == Verdict(
        name="reconciled", passed=True, summary="NOMIS has 2, 0 are mapped, 2 rejected", serious=False
    )
