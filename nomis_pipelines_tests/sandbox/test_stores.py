"""Promise: what is stored is found again after a restart, also after a crash; pairs are unique on both sides."""

from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.stores.scheduler import reference_of, serial_of

WORLD = World(seed=7, visits=500, adjustments=100, until=date(2026, 3, 10))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def reopened(stores: Stores, file: Path) -> Stores:
    stores.journal.close()
    return Stores(WORLD, file)


@given(st.integers(0, 26**8 - 1))
def test_a_reference_is_eight_letters_in_pairs_and_leads_back_to_its_serial_number(serial: int) -> None:
    reference = reference_of(serial)
    assert [len(pair) for pair in reference.split("-")] == [2, 2, 2, 2]
    assert serial_of(reference) == serial


@pytest.mark.parametrize("text", ["", "aa-bb-cc-d1", "AA-bb-cc-dd", "aabbccdd", "aa-bb-cc-dd-ee"])
def test_a_text_that_is_no_reference_leads_nowhere(text: str) -> None:
    assert serial_of(text) is None


def test_a_scheduled_visit_survives_a_restart_with_its_origin_and_its_cancellation(file: Path) -> None:
    stores = Stores(WORLD, file)
    visit = stores.nomis_visits.get(42)
    assert visit
    created = datetime.fromisoformat(visit["whenCreated"])
    reference = stores.scheduled.add(b'{"prisonerId":\n"X"}', visit["offenderNo"], created)
    other = stores.scheduled.add(b'{"prisonerId":"Y"}', "A0000ZZ", datetime(2030, 1, 1))
    assert stores.scheduled.cancel(reference, b'{"actionedBy":"AB_GEN"}')
    assert not stores.scheduled.cancel("zz-zz-zz-zz", b"{}")
    for found in (stores, reopened(stores, file)):
        serial = found.scheduled.serial(reference)
        assert serial is not None
        assert found.scheduled.body(serial) == b'{"prisonerId":"X"}'
        assert found.scheduled.nomis_id(serial) == 42
        assert found.scheduled.cancelled(serial)
        assert found.scheduled.nomis_id(found.scheduled.serial(other)) == 0
        assert (found.scheduled.distinct, found.scheduled.unrecognised) == (1, 1)


def test_a_visit_written_twice_is_a_duplicate_with_both_references(file: Path) -> None:
    stores = Stores(WORLD, file)
    visit = stores.nomis_visits.get(9)
    created = datetime.fromisoformat(visit["whenCreated"])
    references = [stores.scheduled.add(b"{}", visit["offenderNo"], created) for _ in range(3)]
    assert list(reopened(stores, file).scheduled.duplicates()) == [(9, references)]


def test_an_entry_cut_short_by_a_crash_is_dropped_and_what_follows_is_kept(file: Path) -> None:
    stores = Stores(WORLD, file)
    stores.visit_mappings.add(1, "aa", "label", "MIGRATED")
    stores.journal.close()
    with file.open("ab") as tail:
        tail.write(b'M[2,"bb","lab')
    stores = Stores(WORLD, file)
    assert len(stores.visit_mappings) == 1
    stores.visit_mappings.add(3, "cc", "label", "MIGRATED")
    assert [key for key, _ in reopened(stores, file).visit_mappings.items()] == [1, 3]


def test_a_pair_is_unique_on_both_sides_and_the_same_again_is_silent(file: Path) -> None:
    table = Stores(WORLD, file).visit_mappings
    assert table.add(1, "aa", "first", "MIGRATED") is None
    assert table.add(1, "aa", "second", "MIGRATED") is None
    assert table.get(1).label == "first"
    assert table.add(1, "bb", None, "MIGRATED")[0] == 1
    assert table.add(2, "aa", None, "MIGRATED")[0] == 1
    assert len(table) == 1


def test_labels_count_and_page_and_removals_survive_a_restart(file: Path) -> None:
    stores = Stores(WORLD, file)
    table = stores.adjustment_mappings
    for number in range(1, 8):
        table.add(("SENTENCE", number), f"s{number}", "one" if number < 5 else "two", "MIGRATED")
        table.add(("KEY-DATE", number), f"k{number}", None, "NOMIS_CREATED")
    table.remove_dps_id("s2")
    table.remove_dps_id("unknown")
    table.remove_label("two")
    for found in (table, reopened(stores, file).adjustment_mappings):
        keys, total = found.page("one", 1, 5)
        assert ([key for key, _ in keys], total) == ([("SENTENCE", 3), ("SENTENCE", 4)], 3)
        assert found.page("two", 0, 5) == ([], 0)
        assert found.by_dps_id("k3")[0] == ("KEY-DATE", 3)
        assert found.latest_migrated()[0] == ("SENTENCE", 4)
    found.remove_all(only_migrated=True)
    assert len(found) == 7
    found.remove_all(only_migrated=False)
    assert len(found) == 0


def test_changes_of_nomis_survive_a_restart(file: Path) -> None:
    stores = Stores(WORLD, file)
    added = stores.nomis_visits.add(5, {"prisonId": "BXI"})
    assert added["visitId"] == 501
    stores.nomis_visits.cancel(7, "VISCANC", "AB_GEN")
    stores.nomis_visits.remove(8)
    adjustment = stores.nomis_adjustments.add("KEY-DATE", 1_000_000, {"comment": "late"})
    stores.nomis_adjustments.change(("SENTENCE", 1), {"adjustmentDays": 99})
    stores.nomis_adjustments.remove(("SENTENCE", 2))
    stores = reopened(stores, file)
    assert stores.nomis_visits.get(501)["prisonId"] == "BXI"
    assert stores.nomis_visits.get(7)["visitStatus"]["code"] == "CANC"
    assert stores.nomis_visits.get(8) is None
    created = datetime.fromisoformat(added["whenCreated"])
    assert stores.nomis_visits.find(added["offenderNo"], created) == 501
    late = stores.nomis_adjustments.get(adjustment)
    assert late["comment"] == "late"
    assert "whenCreated" not in late
    assert stores.nomis_adjustments.find(1_000_000, late["adjustmentDays"], late["offenderNo"]) == adjustment
    assert stores.nomis_adjustments.get(("SENTENCE", 1))["adjustmentDays"] == 99
    assert stores.nomis_adjustments.get(("SENTENCE", 2)) is None
    assert adjustment in stores.nomis_adjustments.page(None, None, 90, 50)[0]


def test_adjustments_in_dps_survive_a_restart(file: Path) -> None:
    stores = Stores(WORLD, file)
    origin = stores.nomis_adjustments.get(("SENTENCE", 1))
    what = {"booking_id": origin["bookingId"], "days": origin["adjustmentDays"], "offender": origin["offenderNo"]}
    first, second, third = [stores.dps_adjustments.add(b'{"a":1}', **what) for _ in range(3)]
    assert stores.dps_adjustments.update(first, b'{"a":2}')
    assert stores.dps_adjustments.delete(third)
    assert not stores.dps_adjustments.delete(third)
    for found in (stores, reopened(stores, file)):
        assert found.dps_adjustments.body(first) == b'{"a":2}'
        assert found.dps_adjustments.body(third) is None
        assert list(found.dps_adjustments.duplicates()) == [(("SENTENCE", 1), [first, second])]
        assert found.dps_adjustments.numbers()["dps_surplus"] == 1
    fresh = found.dps_adjustments.add(b"{}", **what)
    assert fresh not in {first, second, third}


def test_rooms_begin_as_delivered_and_changes_survive_a_restart(file: Path) -> None:
    stores = Stores(WORLD, file)
    assert stores.rooms.get("HEI", "HEI-VISITS-HB7CLO") == ("Visits Main Room", False)
    assert stores.rooms.add("HEI", "HEI-VISITS-CHAPEL", "Chapel", is_open=True)
    assert not stores.rooms.add("HEI", "HEI-VISITS-CHAPEL", "Chapel", is_open=True)
    stores.rooms.remove("HEI", "HEI-VISITS-SOC_VIS")
    stores = reopened(stores, file)
    assert stores.rooms.get("HEI", "HEI-VISITS-CHAPEL") == ("Chapel", True)
    assert stores.rooms.get("HEI", "HEI-VISITS-SOC_VIS") is None
    stores.clear()
    assert stores.rooms.get("HEI", "HEI-VISITS-SOC_VIS") is not None
    assert file.stat().st_size == 0


def test_the_journal_reads_what_is_still_in_its_buffer(file: Path) -> None:
    journal = Journal(file)
    place = journal.append(b"V", b"hello")
    assert file.stat().st_size == 0
    assert journal.read(place, 5) == b"hello"
    journal.close()
