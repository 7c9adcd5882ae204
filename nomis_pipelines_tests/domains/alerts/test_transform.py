"""Promise: section 6 of the alerts card, column by column, with and without what may be missing."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from nomis_pipelines.contracts.nomis_prisoner import Alert
from nomis_pipelines.domains.alerts.transform import (
    create_alert,
    creator,
    migrate_alert,
    modifier,
    resync_alert,
    update_alert,
)
from nomis_pipelines_tests.domains.alerts.examples import MIGRATED_BODIES, ONE, ONE_BODY, TWO, resync_bodies

AUDIT = {"createDatetime": "2026-05-01T10:00:00.123456", "createUsername": "KOSEI_GEN"}


def alert(audit: dict[str, Any] | None = None, **changes: Any) -> Alert:
    return Alert.model_validate({**ONE, **changes, "audit": {**AUDIT, **(audit or {})}})


def json_of(body: BaseModel) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [(migrate_alert, MIGRATED_BODIES), (resync_alert, resync_bodies())],
    ids=["migrate", "resync"],
)
def test_the_two_alerts_of_the_examples(transform: Callable[[Alert], BaseModel], expected: list[Any]) -> None:
    bodies = [transform(Alert.model_validate(each)) for each in TWO]
    assert [json_of(body) for body in bodies] == expected
    assert [list(json_of(body)) for body in bodies] == [list(body) for body in expected], "in the order of the card"


def test_a_create_has_the_code_and_an_update_never_has() -> None:
    assert json_of(create_alert(alert())) == ONE_BODY
    assert json_of(update_alert(alert())) == {name: ONE_BODY[name] for name in ("description", "activeFrom")}


@pytest.mark.parametrize("transform", [create_alert, update_alert, migrate_alert, resync_alert])
def test_texts_codes_and_dates_pass_straight_through(transform: Callable[[Alert], BaseModel]) -> None:
    text = " A comment — of two\nlines, " + "x" * 5000
    whole = json_of(transform(alert(comment=text, expiryDate="2020-01-01", authorisedBy="y" * 100)))
    assert (whole["description"], whole["authorisedBy"]) == (text, "y" * 100)
    assert (whole["activeFrom"], whole["activeTo"]) == ("2026-05-01", "2020-01-01")
    bare = json_of(transform(alert(comment=None, expiryDate=None, authorisedBy=None)))
    assert not {"description", "activeTo", "authorisedBy"} & set(bare)


@pytest.mark.parametrize("transform", [migrate_alert, resync_alert])
def test_date_times_stay_local_and_keep_their_fraction(transform: Callable[[Alert], BaseModel]) -> None:
    assert json_of(transform(alert()))["createdAt"] == "2026-05-01T10:00:00.123456"


@pytest.mark.parametrize(
    ("audit", "by", "name"),
    [
        ({}, None, None),
        ({"modifyUserId": "PQ_ADM"}, "PQ_ADM", "PQ_ADM"),
        ({"modifyUserId": "PQ_ADM", "modifyDisplayName": "PAT QUINN"}, "PQ_ADM", "PAT QUINN"),
        ({"modifyDisplayName": "PAT QUINN"}, None, "PAT QUINN"),
    ],
)
def test_who_changed_it_falls_back_to_the_user_name(audit: dict[str, str], by: str | None, name: str | None) -> None:
    migrated, resynced = migrate_alert(alert(audit)), resync_alert(alert(audit))
    assert (migrated.updated_by, migrated.updated_by_display_name) == (by, name)
    assert (resynced.last_modified_by, resynced.last_modified_by_display_name) == (by, name)


@pytest.mark.parametrize(("display", "expected"), [(None, "KOSEI_GEN"), ("KEO OSEI", "KEO OSEI")])
def test_who_made_it_falls_back_to_the_user_name(display: str | None, expected: str) -> None:
    made = alert({"createDisplayName": display})
    assert migrate_alert(made).created_by_display_name == expected
    assert resync_alert(made).created_by_display_name == expected


@pytest.mark.parametrize(("modified", "expected"), [(None, "KOSEI_GEN"), ("PQ_ADM", "PQ_ADM")])
def test_a_create_is_in_the_name_of_who_made_it_and_an_update_of_who_changed_it_last(
    modified: str | None, expected: str
) -> None:
    changed = alert({"modifyUserId": modified})
    assert creator(changed) == "KOSEI_GEN"
    assert modifier(changed) == expected
