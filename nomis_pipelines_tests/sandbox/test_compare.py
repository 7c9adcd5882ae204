"""Promise: where ledger, mapping service and DPS differ about a set, it is said whose, which and how; else nothing."""

from typing import Any

import pytest

from nomis_pipelines.ledger import Record, State
from nomis_pipelines.sandbox.compare import STORES

ONE = "A7001BC"


class Admin:
    """The admin port with two dumps of one page."""

    def __init__(self, mapped: dict[int, str], in_dps: dict[int | None, str], mapping_type: str = "MIGRATED") -> None:
        self._rows = {
            "/mappings/alerts": [
                {"nomisKey": [880011, sequence], "dps_id": dps_id, "prisoner": ONE, "mapping_type": mapping_type}
                for sequence, dps_id in mapped.items()
            ],
            "/alerts": [
                {"id": dps_id, "prisoner": ONE, "nomisKey": None if sequence is None else [880011, sequence]}
                for sequence, dps_id in in_dps.items()
            ],
        }

    def records(self, path: str, page: int, size: int) -> dict[str, Any]:
        return {"content": [] if page else self._rows[path]}


def in_ledger(state: State = State.MAPPED, nomis_key: str = ONE, dps_id: str = ONE) -> dict[str, Record]:
    values = dict.fromkeys(Record.__dataclass_fields__) | {
        "domain": "alerts", "entity": "alerts", "nomis_key": nomis_key, "state": state, "dps_id": dps_id,
        "partition": "all",
    }  # fmt: skip
    return {nomis_key: Record(**values)}


def found(admin: Admin, ledger: dict[str, Record]) -> list[str]:
    return STORES["alerts"].compare(admin, ledger)  # pyright: ignore[reportArgumentType]


def test_a_set_that_is_the_same_on_all_sides_is_in_agreement() -> None:
    assert found(Admin({1: "u-1", 2: "u-2"}, {1: "u-1", 2: "u-2"}), in_ledger()) == []
    assert found(Admin({}, {}), in_ledger(dps_id="")) == []


@pytest.mark.parametrize(
    ("mapped", "in_dps", "expected"),
    [
        ({1: "u-1"}, {}, f"{ONE}: 880011/1 mapped to u-1, in DPS None"),
        ({1: "u-1"}, {1: "u-9"}, f"{ONE}: 880011/1 mapped to u-1, in DPS u-9"),
        ({1: "u-1"}, {1: "u-1", 2: "u-2"}, f"{ONE}: 880011/2 in DPS as u-2, not mapped"),
        ({1: "u-1"}, {1: "u-1", None: "u-3"}, f"{ONE}: unknown in DPS as u-3, not mapped"),
    ],
)
def test_a_difference_is_told_with_its_ids(
    mapped: dict[int, str], in_dps: dict[int | None, str], expected: str
) -> None:
    assert found(Admin(mapped, in_dps), in_ledger()) == [expected]


def test_a_set_that_events_have_emptied_is_no_difference_and_one_that_was_never_empty_is() -> None:
    assert found(Admin({}, {}), in_ledger()) == []
    (line,) = found(Admin({1: "u-1"}, {1: "u-1"}), in_ledger(dps_id=""))
    assert line == f"{ONE}: migrated as an empty set by the ledger, not so by the mapping service"


@pytest.mark.parametrize("nomis_key", [ONE, f"{ONE}/880011/2"])
@pytest.mark.parametrize("state", [State.WRITTEN, State.IN_DOUBT, State.DUPLICATE, State.WRITING])
def test_a_set_about_which_something_is_not_settled_is_let_be(state: State, nomis_key: str) -> None:
    assert found(Admin({1: "u-1"}, {1: "u-1", 2: "u-2"}), in_ledger() | in_ledger(state, nomis_key)) == []


def test_what_was_migrated_is_in_the_ledger_and_what_an_event_made_need_not_be() -> None:
    pair: dict[int | None, str] = {1: "u-1"}
    assert found(Admin({1: "u-1"}, pair), {}) == [f"{ONE}: migrated, unknown to the ledger"]
    assert found(Admin({1: "u-1"}, pair, "NOMIS_CREATED"), {}) == []
