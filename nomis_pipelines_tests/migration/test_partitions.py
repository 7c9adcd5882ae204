"""Promise: partitions tile the records without a gap, and a run reports those that its filter covered whole, only."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.domains.activities import ACTIVITIES
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.domains.visits.migration import VisitsFilter
from nomis_pipelines.migration.filters import FilterError, PrisonDateFilter, run_filter
from nomis_pipelines.migration.grid import PRISONS, dagster_partitions
from nomis_pipelines.migration.partitions import ByMonth, PartitionError, PrisonByMonth

TODAY = date(2026, 3, 10)
GRID = PrisonByMonth("2024-01", "prison_ids", "from_date_time", "to_date_time")
moments = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1))
codes = st.sampled_from(["HEI", "MDI", "BXI"])


def covered(**values: Any) -> list[str]:
    return GRID.covered(VisitsFilter(**values), TODAY)


@given(moment=moments, prison=codes)
def test_a_record_lies_in_the_window_of_its_own_partition(moment: datetime, prison: str) -> None:
    grid = PrisonByMonth("2010-01", "prison_ids", "from_date_time", "to_date_time")
    key = grid.key(prison, moment)
    assert key is not None
    window = grid.filter_values(key)
    assert window["prison_ids"] == [prison]
    # both ends are inclusive in NOMIS, so the ends of neighbours touch and no instant falls between them
    assert window["from_date_time"] <= moment < window["to_date_time"]
    assert grid.key(prison, window["to_date_time"]) != key
    assert grid.filter_values(str(grid.key(prison, window["to_date_time"])))["from_date_time"] == window["to_date_time"]


@pytest.mark.parametrize(("prison", "when"), [("HEI", date(2023, 12, 31)), ("he|", date(2024, 5, 1)), ("", TODAY)])
def test_what_lies_outside_the_grid_has_no_partition(prison: str, when: date) -> None:
    assert GRID.key(prison, when) is None


@pytest.mark.parametrize("key", ["", "|", "HEI|", "|2024-05", "HEI|2024-00", "HEI|2024-13", "HEI|2024-05|x", "HEI|May",
                                 "HEI|2023-12", "HEI |2024-05", "HEI|2024-05\n"])  # fmt: skip
def test_a_key_that_names_no_partition_is_refused(key: str) -> None:
    with pytest.raises(PartitionError, match="is not a partition"):
        GRID.filter_values(key)


def test_a_filter_of_exactly_one_partition_covers_it() -> None:
    assert covered(**GRID.filter_values("HEI|2024-05")) == ["HEI|2024-05"]


@given(prisons=st.lists(codes, max_size=3, unique=True), start=moments, days=st.floats(0, 200))
def test_a_partition_is_covered_when_its_window_lies_inside_the_filter(
    prisons: list[str], start: datetime, days: float
) -> None:
    end = start + timedelta(days=days)
    found = covered(prison_ids=prisons, from_date_time=start, to_date_time=end)
    for key in found:
        window = GRID.filter_values(key)
        assert start <= window["from_date_time"]
        assert window["to_date_time"] <= end
    months = [f"{year}-{month:02}" for year in range(2024, 2027) for month in range(1, 13)]
    inside = [
        f"{prison}|{month}"
        for prison in prisons
        for month in months
        if month <= "2026-03"
        and start <= GRID.filter_values(f"{prison}|{month}")["from_date_time"]
        and GRID.filter_values(f"{prison}|{month}")["to_date_time"] <= end
    ]
    assert found == inside


def test_an_open_filter_covers_every_month_up_to_the_running_one() -> None:
    found = covered(prison_ids=["HEI"])
    assert (found[0], found[-1], len(found)) == ("HEI|2024-01", "HEI|2026-03", 27)


def test_a_filter_that_names_no_prison_covers_every_prison_of_the_grid() -> None:
    window = {"from_date_time": datetime(2024, 5, 1), "to_date_time": datetime(2024, 6, 1)}
    everywhere = VisitsFilter(**window)
    assert GRID.covered(everywhere, TODAY, ["HEI", "MDI"]) == ["HEI|2024-05", "MDI|2024-05"]
    assert GRID.covered(VisitsFilter(prison_ids=["BXI"], **window), TODAY, ["HEI", "MDI"]) == ["BXI|2024-05"]
    assert covered(**window) == []


@pytest.mark.parametrize(
    "narrower", [{"visit_types": ["OFFI"]}, {"visit_types": ["SCON", "OFFI"]}, {"ignore_missing_room": True}]
)
def test_a_filter_that_restricts_anything_else_covers_nothing(narrower: dict[str, Any]) -> None:
    assert covered(prison_ids=["HEI"], **narrower) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [("2024-05-01T00:00:01", "2024-06-01T00:00:00"), ("2024-05-01T00:00:00", "2024-05-31T23:59:59.999")],
)
def test_a_month_with_a_gap_at_either_end_is_not_covered(start: str, end: str) -> None:
    window = {"from_date_time": datetime.fromisoformat(start), "to_date_time": datetime.fromisoformat(end)}
    assert covered(prison_ids=["HEI"], **window) == []


def test_visits_begin_in_2010() -> None:
    assert VISITS.migration.partitions.first_month == "2010-01"


def test_months_alone_have_inclusive_dates_and_no_prison() -> None:
    months = ByMonth("2024-01", "from_date", "to_date")
    assert months.filter_values("2024-02") == {"from_date": date(2024, 2, 1), "to_date": date(2024, 2, 29)}
    assert months.prison_of("2024-02") is None
    for key in ("2024-2", "HEI|2024-02", "2023-12"):
        with pytest.raises(PartitionError):
            months.filter_values(key)


DAYS = PrisonByMonth("2024-01", "prison_ids", "from_date", "to_date", whole_days=True, months_ahead=2)


@given(day=st.dates(date(2024, 1, 1), date(2026, 5, 31)), prison=codes)
def test_months_of_days_tile_without_a_gap_or_a_seam(day: date, prison: str) -> None:
    window = DAYS.filter_values(str(DAYS.key(prison, day)))
    assert window["from_date"] <= day <= window["to_date"]
    following = DAYS.filter_values(str(DAYS.key(prison, window["to_date"] + timedelta(days=1))))
    assert following["from_date"] == window["to_date"] + timedelta(days=1)


def test_what_lies_before_and_after_a_grid_of_days_has_windows_that_touch_it() -> None:
    assert DAYS.earlier_values(["HEI"]) == {"prison_ids": ["HEI"], "to_date": date(2023, 12, 31)}
    assert DAYS.months(TODAY)[-1] == "2026-05"
    assert DAYS.later_values(TODAY, ["HEI"]) == {"prison_ids": ["HEI"], "from_date": date(2026, 6, 1)}
    assert GRID.later_values(TODAY) == {"prison_ids": [], "from_date_time": datetime(2026, 4, 1)}


def test_a_filter_of_days_covers_months_ahead_too() -> None:
    filter = PrisonDateFilter(prison_ids=["HEI"], from_date=date(2026, 3, 1), to_date=date(2026, 5, 30))
    assert DAYS.covered(filter, TODAY) == ["HEI|2026-03", "HEI|2026-04"]
    assert DAYS.covered(filter.model_copy(update={"to_date": date(2026, 5, 31)}), TODAY)[-1] == "HEI|2026-05"


def test_a_grid_says_of_what_its_months_are() -> None:
    assert GRID.describe() == "prison and month of creation since 2024-01, such as HEI|2024-01"
    assert "2024-01 to 2 months ahead" in DAYS.describe()


def test_dagster_has_the_months_ahead() -> None:
    partitions = dagster_partitions(DAYS)
    assert isinstance(partitions, dg.MultiPartitionsDefinition)
    (window,) = (each.partitions_def for each in partitions.partitions_defs if each.name == "window")
    assert window.get_partition_keys(current_time=datetime(2026, 3, 10, tzinfo=UTC))[-1] == "2026-05"


BY_PRISON = ACTIVITIES.migration


def test_a_prison_alone_is_a_key_and_the_whole_of_its_filter() -> None:
    filter = run_filter(BY_PRISON, {"activityStartDate": "2026-10-05"}, "HEI")
    assert filter.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "prisonId": "HEI", "activityStartDate": "2026-10-05",
    }  # fmt: skip
    assert (BY_PRISON.partitions.prison_of("HEI"), BY_PRISON.partitions.describe()) == ("HEI", "prison, such as HEI")
    assert dagster_partitions(BY_PRISON.partitions) is PRISONS


@pytest.mark.parametrize("key", ["", "hei", "HEI|2024-05", "all", "HE"])
def test_a_key_that_is_no_prison_is_refused(key: str) -> None:
    with pytest.raises(FilterError, match="a key is a prison"):
        run_filter(BY_PRISON, {}, key)


def test_a_prison_cannot_be_asked_for_beside_the_partition() -> None:
    with pytest.raises(FilterError, match="already sets prisonId"):
        run_filter(BY_PRISON, {"prisonId": "MDI"}, "HEI")


@pytest.mark.parametrize(
    ("filter", "keys"),
    [
        ({}, ["HEI"]),
        ({"activityStartDate": "2026-10-05", "nomisActivityEndDate": "2026-10-04"}, ["HEI"]),
        ({"courseActivityId": 90110}, []),
    ],
)
def test_a_filter_covers_its_prison_unless_it_names_one_record(filter: dict[str, Any], keys: list[str]) -> None:
    chosen = run_filter(BY_PRISON, {"prisonId": "HEI", **filter}, None)
    assert BY_PRISON.partitions.covered(chosen, date(2026, 9, 28), ["MDI"]) == keys


def test_a_filter_without_its_prison_is_refused_by_name() -> None:
    with pytest.raises(FilterError, match="filter of activities: prisonId: Field required"):
        run_filter(BY_PRISON, {}, None)
