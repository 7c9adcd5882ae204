"""Promise: a filter that nobody can have meant is refused before anything is read, naming the field and the fix."""

from datetime import datetime
from typing import Any

import pytest

from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.migration.filters import FilterError, filter_json, filter_query, run_filter

MIGRATION = VISITS.migration


@pytest.mark.parametrize(
    ("values", "partition", "message"),
    [
        ({"prisonId": ["HEI"]}, None, r"filter of visits: prisonId unknown; there are prisonIds, visitTypes, "),
        ({"endDateTime": "2024-01-01T00:00:00", "x": 1}, None, r"filter of visits: endDateTime, x unknown"),
        ({"prisonIds": "HEI"}, None, r"filter of visits: prisonIds: Input should be a valid list"),
        ({"prisonIds": ["hei"]}, None, r"filter of visits: prisonIds: .*three to six capitals or digits, such as HEI"),
        ({"prisonIds": ["HE|"]}, None, r"filter of visits: prisonIds: .*three to six capitals"),
        ({"prisonIds": None}, None, r"filter of visits: prisonIds: "),
        ({"visitTypes": ["SOCIAL"]}, None, r"filter of visits: visitTypes\.0: Input should be 'SCON' or 'OFFI'"),
        ({"fromDateTime": "yesterday"}, None, r"filter of visits: fromDateTime: Input should be a valid datetime"),
        ({"fromDateTime": "2024-13-01T00:00:00"}, None, r"filter of visits: fromDateTime: .*month value"),
        ({"toDateTime": "2024-05-01T00:00:00Z"}, None, r"filter of visits: toDateTime: .*local and has no zone"),
        ({"fromDateTime": "2024-05-02T00:00:00", "toDateTime": "2024-05-01T00:00:00"}, None,
         r"filter of visits: filter: .*fromDateTime is after toDateTime"),
        ({"ignoreMissingRoom": "perhaps"}, None, r"filter of visits: ignoreMissingRoom: "),
        ({"prisonIds": ["MDI"]}, "HEI|2024-05", r"the partition HEI\|2024-05 already sets prisonIds"),
        ({"toDateTime": "2024-05-01T00:00:00"}, "HEI|2024-05", r"already sets toDateTime"),
        ({}, "2024-05|HEI", r"partition of visits: '2024-05\|HEI' is not a partition: a key is a prison and a month"),
        ({}, "HEI", r"partition of visits: 'HEI' is not a partition"),
        ({}, "HEI|2024-5", r"'HEI\|2024-5' is not a partition"),
        ({}, "HEI|2009-12", r"the first month is 2010-01"),
        ({}, "hei|2024-05", r"'hei\|2024-05' is not a partition"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused(values: dict[str, Any], partition: str | None, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        run_filter(MIGRATION, values, partition)


def test_a_refusal_shows_no_value_but_a_partition_key() -> None:
    with pytest.raises(FilterError) as caught:
        run_filter(MIGRATION, {"fromDateTime": "Secret Person"}, None)
    assert "Secret" not in str(caught.value)


def test_without_a_filter_the_defaults_of_the_contract_hold() -> None:
    filter = run_filter(MIGRATION, {}, None)
    assert filter_query(filter) == {"prisonIds": [], "visitTypes": ["SCON"], "ignoreMissingRoom": False}


def test_field_names_are_those_of_the_start_request_or_of_python() -> None:
    given = {"prison_ids": ["HEI"], "visitTypes": []}
    assert filter_query(run_filter(MIGRATION, given, None))["prisonIds"] == ["HEI"]


def test_a_partition_is_its_prison_from_the_first_instant_of_its_month_to_the_first_of_the_next() -> None:
    filter = run_filter(MIGRATION, {"visitTypes": ["OFFI"]}, "HEI|2024-12")
    assert filter_query(filter) == {
        "prisonIds": ["HEI"],
        "visitTypes": ["OFFI"],
        "fromDateTime": datetime(2024, 12, 1),
        "toDateTime": datetime(2025, 1, 1),
        "ignoreMissingRoom": False,
    }


def test_the_history_keeps_the_filter_without_blanks_and_nulls() -> None:
    assert filter_json(run_filter(MIGRATION, {"prisonIds": ["MDI"], "fromDateTime": None}, None)) == (
        '{"prisonIds":["MDI"],"visitTypes":["SCON"],"ignoreMissingRoom":false}'
    )
