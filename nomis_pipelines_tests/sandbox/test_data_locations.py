"""Promise: locations are functions of seed and id in trees five deep, with all that a migration may come upon."""

from collections import Counter
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nomis_pipelines.contracts.nomis_prisoner import Location
from nomis_pipelines.sandbox.data.locations import (
    COLUMNS,
    FIRST_LOCATION,
    NOT_PRISONS,
    OTHER_TYPES,
    PLAN,
    PROFILES,
    REASONS,
    UNIT_TYPES,
    UNKNOWN_COLUMN,
    UNKNOWN_TYPE,
    USAGES,
    LocationData,
)
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import World

SIZE = 22 * len(PLAN) + 300  # every prison, two of them again, and one unfinished
DATA = LocationData(World(seed=3, locations=SIZE, until=date(2026, 3, 10)))
ALL: dict[int, dict[str, Any]] = {
    location["locationId"]: location
    for place in range(SIZE)
    if (location := DATA.location(DATA.id_at(place))) is not None
}


def depth(location_id: int) -> int:
    levels = 1
    while (parent := ALL[location_id].get("parentLocationId")) in ALL:
        location_id = parent
        levels += 1
    return levels


def test_ids_run_from_the_first_without_a_gap() -> None:
    assert list(ALL) == list(range(FIRST_LOCATION, FIRST_LOCATION + SIZE))
    assert DATA.location(FIRST_LOCATION - 1) is None
    assert DATA.location(FIRST_LOCATION + SIZE) is None


@given(place=st.integers(0, SIZE - 1))
def test_every_location_is_what_the_contract_says_and_traceable(place: int) -> None:
    location = DATA.location(DATA.id_at(place))
    assert location is not None
    read = Location.model_validate(location, by_alias=True, by_name=False)
    assert read.location_id == DATA.id_at(place)
    assert DATA.find(read.create_datetime.replace(microsecond=0)) == read.location_id
    assert read.description.endswith(read.location_code)


def test_a_prison_has_four_hundred_cells_in_a_tree_five_deep() -> None:
    for prison in PRISONS:
        cells = [one for one in ALL.values() if one["prisonId"] == prison and one["locationType"] == "CELL"]
        assert len(cells) % 400 == 0 or prison == "BXI"  # where the world ends
        assert Counter(depth(cell["locationId"]) for cell in cells)[5] >= 200
    first = {one["description"] for one in ALL.values() if one["prisonId"] == "SLI"}
    assert {"SLI-HB1", "SLI-HB1-A", "SLI-HB1-A-1", "SLI-HB1-A-1-2", "SLI-HB1-A-1-2-025"} <= first


def test_a_prison_whose_turn_comes_again_has_further_blocks() -> None:
    keys = Counter(one["description"] for one in ALL.values() if one["prisonId"] in PRISONS)
    assert keys.most_common(1)[0][1] == 1
    assert "HEI-HB1-2-A-1-1-001" in keys


def test_in_places_a_parent_has_the_higher_id_on_every_level() -> None:
    upwards = [one for one in ALL.values() if one.get("parentLocationId", 0) > one["locationId"]]
    assert {one["locationType"] for one in upwards} >= {"CELL", "SPUR", "WING", "LAND", "TIER", "LAN"}
    assert len(upwards) > SIZE // 3


def test_parents_are_there_but_for_the_orphans_and_of_the_same_prison() -> None:
    orphans = {key for key, one in ALL.items() if "parentLocationId" in one and one["parentLocationId"] not in ALL}
    assert orphans == set(DATA.odd("orphan"))
    assert len(orphans) == 22
    for one in ALL.values():
        parent = ALL.get(one.get("parentLocationId", 0))
        assert parent is None or parent["prisonId"] == one["prisonId"]


def test_circles_have_three_members_and_nothing_hangs_on_what_is_odd() -> None:
    members = DATA.odd("circle")
    for member in members:
        round_it = member
        for _ in range(3):
            round_it = ALL[round_it]["parentLocationId"]
        assert round_it == member
    odd = {*members, *DATA.odd("orphan"), *DATA.odd("type"), *DATA.odd("column")}
    assert {key for key, one in ALL.items() if one.get("parentLocationId") in odd} == set(members)


def test_the_world_has_every_type_code_and_null_and_the_unknown_ones() -> None:
    found = list(ALL.values())
    assert {one["locationType"] for one in found} == {
        "BLK", "HBLK", "WING", "SPUR", "LAND", "TIER", "LAN", "CELL", "AREA", UNKNOWN_TYPE, *OTHER_TYPES,
    }  # fmt: skip
    assert {one.get("reasonCode") for one in found if not one["active"]} == {*REASONS, None}
    assert {one["unitType"] for one in found if "unitType" in one} == set(UNIT_TYPES)
    assert {one["prisonId"] for one in found} == {*PRISONS, *NOT_PRISONS}
    amendments = [amendment for one in found for amendment in one["amendments"]]
    assert {amendment.get("columnName") for amendment in amendments} == {*COLUMNS, UNKNOWN_COLUMN}
    profiles = {(each["profileType"], each["profileCode"]) for one in found for each in one["profiles"]}
    assert profiles == {(kind, code) for kind, codes in PROFILES.items() for code in codes}
    assert {each["internalLocationUsageType"] for one in found for each in one["usages"]} == set(USAGES)
    for name in ("userDescription", "comment", "modifyUsername", "capacity", "operationalCapacity", "cnaCapacity"):
        assert 0 < sum(name in one for one in found) < len(found), name


@pytest.mark.parametrize("size", [1, 5, 250, 430, len(PLAN) - 12, len(PLAN) + 250])
def test_an_unfinished_prison_has_no_orphans_by_accident(size: int) -> None:
    data = LocationData(World(locations=size, until=date(2026, 3, 10)))
    found = {data.id_at(place): data.location(data.id_at(place)) or {} for place in range(size)}
    missing = {key for key, one in found.items() if one.get("parentLocationId", key) not in found}
    assert missing == set(data.odd("orphan"))


def test_a_moment_at_which_nothing_was_made_finds_nothing() -> None:
    assert DATA.find(datetime(2023, 1, 1)) is None
