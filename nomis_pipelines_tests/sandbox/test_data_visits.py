"""Promise: visits are functions of seed and id, and paging by arithmetic finds what looking at each would find."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from nomis_pipelines.contracts.nomis_prisoner import Visit
from nomis_pipelines.sandbox.data.people import offender_no
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.visits import (
    CYCLE,
    KNOWN_OUTCOMES,
    PAST_STATUSES,
    UNKNOWN_OUTCOME,
    UNKNOWN_STATUS,
    VisitData,
    VisitFilter,
)
from nomis_pipelines.sandbox.data.world import Timeline, World

UNTIL = date(2026, 3, 10)
DATA = VisitData(World(seed=3, visits=4321, until=UNTIL))
LARGE = VisitData(World(seed=3, visits=1_000_000, until=UNTIL))
moments = st.datetimes(min_value=datetime(2023, 12, 1), max_value=datetime(2026, 4, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
codes = st.frozensets(st.sampled_from([*PRISONS, "ZZI"]), max_size=4)
filters = st.builds(
    VisitFilter,
    prisons=codes,
    types=st.frozensets(st.sampled_from(["SCON", "OFFI"])),
    created_from=st.none() | moments,
    created_to=st.none() | moments,
)


def by_looking(data: VisitData, wanted: VisitFilter) -> list[int]:
    return [
        number
        for number in range(1, data.world.visits + 1)
        if (not wanted.prisons or data.prison_and_type(number)[0] in wanted.prisons)
        and (not wanted.types or data.prison_and_type(number)[1] in wanted.types)
        and (wanted.created_from is None or data.timeline.created(number) >= wanted.created_from)
        and (wanted.created_to is None or data.timeline.created(number) <= wanted.created_to)
    ]


@settings(max_examples=60, deadline=None)
@given(wanted=filters, size=st.integers(1, 900))
def test_pages_together_are_exactly_the_visits_that_match_in_the_order_of_creation(
    wanted: VisitFilter, size: int
) -> None:
    expected = by_looking(DATA, wanted)
    selection = DATA.select(wanted)
    assert selection.count == len(expected)
    pages = [selection.numbers(start, size) for start in range(0, len(expected) + size, size)]
    assert [number for page in pages for number in page] == expected


@given(number=st.integers(1, DATA.world.visits))
def test_both_bounds_of_the_creation_time_are_inclusive(number: int) -> None:
    created = DATA.timeline.created(number)
    selection = DATA.select(VisitFilter(created_from=created, created_to=created))
    assert selection.numbers(0, 10) == [number]
    later = VisitFilter(created_from=created + timedelta(milliseconds=1))
    assert number not in DATA.select(later).numbers(0, 5)


@given(seed=st.integers(-(2**60), 2**60), count=st.integers(1, 200_000), data=st.data())
def test_each_record_is_created_in_a_second_of_its_own_by_which_it_is_found_again(
    seed: int, count: int, data: st.DataObject
) -> None:
    timeline = Timeline(World(seed=seed, until=UNTIL), count)
    number = data.draw(st.integers(1, count))
    created = timeline.created(number)
    assert datetime(2024, 1, 1) <= created < datetime(2026, 3, 10)
    assert timeline.find_second(created.replace(microsecond=0)) == number
    if number < count:
        following = timeline.created(number + 1)
        assert following.replace(microsecond=0) > created.replace(microsecond=0)


def test_a_second_without_a_record_finds_none() -> None:
    seconds = {DATA.timeline.created(number).replace(microsecond=0) for number in range(1, 300)}
    moment = datetime(2024, 1, 1, 7)
    for _ in range(20_000):
        if moment not in seconds:
            assert DATA.timeline.find_second(moment) is None
        moment += timedelta(seconds=1)


def test_a_world_too_dense_to_tell_records_apart_is_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match="begin earlier"):
        World(visits=100_000_000, until=UNTIL)
    World(visits=100_000_000, since=date(1999, 1, 1), until=UNTIL)


@given(number=st.integers(1, LARGE.world.visits))
def test_every_visit_is_what_the_contract_says(number: int) -> None:
    visit = LARGE.visit(number)
    model = Visit.model_validate(visit, by_alias=True, by_name=False)
    assert model.visit_id == number
    assert model.start_date_time < model.end_date_time
    assert model.prison_id in PRISONS
    assert visit == LARGE.visit(number)
    assert LARGE.start(number).isoformat() == visit["startDateTime"]
    room = LARGE.room(number)
    assert (room and room.description) == visit.get("agencyInternalLocation", {}).get("description")


@given(number=st.integers(1, LARGE.world.visits))
def test_a_copy_of_a_visit_is_traced_to_it_by_creation_and_prisoner(number: int) -> None:
    visit = LARGE.visit(number)
    second = datetime.fromisoformat(visit["whenCreated"]).replace(microsecond=0)
    assert LARGE.find(visit["offenderNo"], second) == number
    assert LARGE.find("A0000ZZ", second) is None


def test_another_seed_is_another_world() -> None:
    other = VisitData(World(seed=4, visits=4321, until=UNTIL))
    assert [DATA.visit(n) for n in range(1, 50)] != [other.visit(n) for n in range(1, 50)]


def test_prison_numbers_are_all_different() -> None:
    assert len({offender_no(number) for number in range(200_000)}) == 200_000


def test_the_cycle_gives_every_prison_its_share_and_hewell_plenty() -> None:
    prisons = Counter(prison for prison, _ in DATA.cycle)
    assert len(DATA.cycle) == CYCLE
    assert prisons == {code: prison.weight for code, prison in PRISONS.items()}
    assert prisons["HEI"] == 300


def test_the_default_world_has_everything_the_visits_card_knows() -> None:
    data = VisitData(World(until=UNTIL))
    visits = [data.visit(number) for number in range(1, data.world.visits + 1)]
    statuses = {visit["visitStatus"]["code"] for visit in visits}
    outcomes = Counter(visit.get("visitOutcome", {}).get("code") for visit in visits)
    assert statuses == {*PAST_STATUSES, UNKNOWN_STATUS}
    assert set(outcomes) == {*KNOWN_OUTCOMES, UNKNOWN_OUTCOME, None}
    unknown = outcomes[UNKNOWN_OUTCOME] + sum(visit["visitStatus"]["code"] == UNKNOWN_STATUS for visit in visits)
    assert 60 <= unknown <= 160
    for name in ("agencyInternalLocation", "leadVisitor", "commentText", "visitorConcernText", "modifyUserId"):
        assert 0 < sum(name in visit for visit in visits) < len(visits), name
    starts = [datetime.fromisoformat(visit["startDateTime"]) for visit in visits]
    assert sum(start.date() > UNTIL + timedelta(days=366) for start in starts) > 100
    assert sum(UNTIL <= start.date() <= UNTIL + timedelta(days=60) for start in starts) > 500
    assert {"AM", "PM"} == {
        start.strftime("%p") for start, visit in zip(starts, visits, strict=True) if visit["prisonId"] == "HEI"
    }
    assert sum("." in visit["whenCreated"] for visit in visits) > 1000
    telephones = [text for visit in visits for text in visit.get("leadVisitor", {}).get("telephones", ())]
    assert any(len(text) > 13 for text in telephones)
    assert any(not visit.get("leadVisitor", {"telephones": [1]})["telephones"] for visit in visits)
    people = [[person["personId"] for person in visit["visitors"]] for visit in visits]
    assert any(len(set(ids)) < len(ids) for ids in people)
    assert any(not ids for ids in people)


def test_hewell_in_may_2024_has_some_hundred_visits() -> None:
    data = VisitData(World(until=UNTIL))
    wanted = VisitFilter(
        prisons=frozenset({"HEI"}),
        types=frozenset({"SCON"}),
        created_from=datetime(2024, 5, 1),
        created_to=datetime(2024, 5, 31, 23, 59, 59),
    )
    assert 300 <= data.select(wanted).count <= 600


def test_rooms_are_partly_mapped_and_hewell_has_closed_ones() -> None:
    hewell = {room.description: room for room in PRISONS["HEI"].rooms}
    assert not hewell["HEI-VISITS-HB7CLO"].is_open
    assert hewell["HEI-VISITS-PACE"].vsip == "PACE Room"
    assert not hewell["HEI-VISITS-CHAPEL"].vsip
    assert all(not room.vsip for room in PRISONS["SLI"].rooms)
