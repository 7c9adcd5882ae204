"""Promise: section 6 of the locations card: which field of NOMIS becomes which of DPS, in both bodies."""

import json
from typing import Any
from uuid import UUID

import pytest

from nomis_pipelines.domains.locations.transform import to_migrate, to_upsert
from nomis_pipelines_tests.domains.locations.examples import NEW, PARENT, nomis_location


def sent(migrated: bool, **changes: Any) -> dict[str, Any]:
    location = nomis_location(**changes)
    body = to_migrate(location, None) if migrated else to_upsert(location, None, None)
    return json.loads(body.model_dump_json(by_alias=True, exclude_none=True))


both = pytest.mark.parametrize("migrated", [True, False], ids=["migration", "synchronisation"])


@both
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prisonId": "MDI"}, {"prisonId": "MDI"}),
        ({"prisonId": "OUTSIDE"}, {"prisonId": "OUTSIDE"}),
        ({"locationCode": "004"}, {"code": "004"}),
        ({"modifyUsername": "M_GEN"}, {"lastUpdatedBy": "M_GEN"}),
        ({"modifyUsername": None}, {"lastUpdatedBy": "SYS_ADM"}),
        ({"userDescription": "x" * 200}, {"localName": "x" * 200}),
        ({"comment": "y" * 300}, {"comments": "y" * 300}),
        ({"listSequence": 0}, {"orderWithinParentLocation": 0}),
        ({"createDatetime": "2019-05-20T14:00:05.123456"}, {"createDate": "2019-05-20T14:00:05.123456"}),
        ({"profiles": []}, {"attributes": []}),
        ({"usages": []}, {"usage": []}),
        ({"capacity": 120}, {"capacity": {"maxCapacity": 120, "workingCapacity": 0}}),
        ({"operationalCapacity": 7}, {"capacity": {"maxCapacity": 0, "workingCapacity": 7}}),
        (
            {"capacity": 0, "operationalCapacity": 0},
            {"capacity": {"maxCapacity": 0, "workingCapacity": 0}},
        ),
        (
            {"active": False, "deactivateDate": "2024-01-15", "reactivateDate": "2024-09-01"},
            {
                "isDeactivated": True,
                "deactivatedDate": "2024-01-15",
                "deactivationReason": "OTHER",
                "proposedReactivationDate": "2024-09-01",
            },
        ),
    ],
)
def test_a_field_is_copied_as_the_table_says(migrated: bool, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    body = sent(migrated, **changes)
    assert {name: body.get(name) for name in expected} == expected


@both
@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({}, "parentId"),
        ({}, "localName"),
        ({}, "comments"),
        ({}, "orderWithinParentLocation"),
        ({"cnaCapacity": 3}, "capacity"),
        ({"profiles": None}, "attributes"),
        ({"usages": None}, "usage"),
        ({"deactivateDate": "2024-01-15"}, "deactivatedDate"),
        ({"reasonCode": "J"}, "deactivationReason"),
        ({"reactivateDate": "2024-09-01"}, "proposedReactivationDate"),
        ({}, "lastModifiedDate"),
        ({}, "parentLocationPath"),
        ({}, "isCell"),
    ],
)
def test_a_field_is_left_out_where_there_is_nothing_to_say(
    migrated: bool, changes: dict[str, Any], absent: str
) -> None:
    assert absent not in sent(migrated, **changes)


@both
def test_an_active_location_is_not_deactivated(migrated: bool) -> None:
    assert sent(migrated)["isDeactivated"] is False


@both
def test_attributes_are_a_set_in_the_order_in_which_they_were_first_seen(migrated: bool) -> None:
    codes = [("SUP_LVL_TYPE", "NA"), ("HOU_USED_FOR", "11"), ("HOU_USED_FOR", "H"), ("SUP_LVL_TYPE", "N/A")]
    profiles = [{"profileType": kind, "profileCode": code} for kind, code in [*codes, ("HOU_USED_FOR", "V")]]
    assert sent(migrated, profiles=profiles)["attributes"] == [
        "NOT_APPLICABLE",
        "NATIONAL_RESOURCE_HOSPITAL",
        "VULNERABLE_PRISONER_UNIT",
    ]


@both
def test_usages_are_a_set_of_triples(migrated: bool) -> None:
    usages = [
        {"internalLocationUsageType": "OTH", "capacity": 5, "sequence": 1},
        {"internalLocationUsageType": "OTHER", "capacity": 5, "sequence": 1, "usageLocationType": "x"},
        {"internalLocationUsageType": "VISIT", "capacity": 5},
        {"internalLocationUsageType": "VISIT", "capacity": 5, "sequence": 0},
        {"internalLocationUsageType": "VISIT", "sequence": 2},
    ]
    assert sent(migrated, usages=usages)["usage"] == [
        {"usageType": "OTHER", "capacity": 5, "sequence": 1},
        {"usageType": "VISIT", "capacity": 5, "sequence": 0},
        {"usageType": "VISIT", "sequence": 2},
    ]


@pytest.mark.parametrize(
    ("certified", "cna", "certification"),
    [
        (True, 3, {"certified": True, "capacityOfCertifiedCell": 3}),
        (True, None, {"certified": True, "capacityOfCertifiedCell": 0}),
        (False, None, {"certified": False, "capacityOfCertifiedCell": 0}),
    ],
)
def test_the_migration_sends_a_certification(certified: bool, cna: int | None, certification: dict[str, Any]) -> None:
    body = sent(True, certified=certified, cnaCapacity=cna)
    assert body["certification"] == certification
    assert not body.keys() & {"certifiedCell", "internalMovementAllowed", "id"}


@pytest.mark.parametrize(
    ("cna", "certification"),
    [(None, None), (4, {"certified": False, "capacityOfCertifiedCell": 4})],
)
def test_a_certification_of_null_is_sent_with_a_cna_only(cna: int | None, certification: dict[str, Any] | None) -> None:
    location = nomis_location(cnaCapacity=cna).model_copy(update={"certified": None})
    body = to_migrate(location, None)
    assert (body.certification and body.certification.model_dump(by_alias=True)) == certification
    assert to_upsert(location, None, None).certified_cell is None


def test_a_location_that_does_not_say_whether_it_is_certified_is_not() -> None:
    assert sent(False, certified=None)["certifiedCell"] is False


def test_synchronisation_sends_the_cna_figure_in_the_capacity_or_not_at_all() -> None:
    assert sent(False, capacity=2, cnaCapacity=1)["capacity"] == {
        "maxCapacity": 2,
        "workingCapacity": 0,
        "certifiedNormalAccommodation": 1,
    }
    assert sent(False, capacity=2)["capacity"] == {"maxCapacity": 2, "workingCapacity": 0}
    assert not sent(False, capacity=2).keys() & {"certification", "history"}


@pytest.mark.parametrize("tracking", [True, False, None])
def test_internal_movement_is_allowed_where_it_is_tracked(tracking: bool | None) -> None:
    assert sent(False, tracking=tracking).get("internalMovementAllowed") is tracking


def test_the_ids_are_those_of_dps() -> None:
    update = to_upsert(nomis_location(), NEW, PARENT)
    assert (update.id, update.parent_id) == (UUID(NEW), UUID(PARENT))
    assert to_upsert(nomis_location(), None, PARENT).id is None
    assert to_migrate(nomis_location(), PARENT).parent_id == UUID(PARENT)


@pytest.mark.parametrize("amendments", [None, []])
def test_a_history_is_null_only_when_nomis_gives_none(amendments: list[Any] | None) -> None:
    assert sent(True, amendments=amendments).get("history") == amendments


def test_a_history_keeps_its_order_and_its_raw_values() -> None:
    rows = [
        {"amendDateTime": "2023-11-02T09:15:00.5", "columnName": "Unit Type", "oldValue": "NA", "amendedBy": "A"},
        {"amendDateTime": "2022-11-02T09:15:00", "columnName": "Active", "newValue": "N", "amendedBy": "B"},
    ]
    assert sent(True, amendments=rows)["history"] == [
        {
            "attribute": "RESIDENTIAL_HOUSING_TYPE",
            "oldValue": "NA",
            "amendedBy": "A",
            "amendedDate": "2023-11-02T09:15:00.500000",
        },
        {"attribute": "ACTIVE", "newValue": "N", "amendedBy": "B", "amendedDate": "2022-11-02T09:15:00"},
    ]
