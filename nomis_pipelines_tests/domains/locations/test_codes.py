"""Promise: every code of the locations card, sections 6.1 to 6.6, becomes what its tables say, and no other does."""

from typing import Any, get_args

import pytest

from nomis_pipelines.contracts.locations import LocationAttribute
from nomis_pipelines.domains.locations.codes import (
    ATTRIBUTES,
    DEACTIVATION_REASONS,
    HISTORY_ATTRIBUTES,
    HOUSING_TYPES,
    LOCATION_TYPES,
    USAGES,
)
from nomis_pipelines.domains.locations.transform import to_migrate, to_upsert
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines_tests.domains.locations.examples import nomis_location

# as the card prints them: NOMIS codes, then the one of DPS
TYPES = """WING BLK HBLK WING, SPUR SPUR, LAND TIER LAN LANDING, CELL CELL, ADJU ADJUDICATION_ROOM,
ADMI ADMINISTRATION_AREA, APP APPOINTMENTS, AREA AREA, ASSO ASSOCIATION, BOOT BOOTH, BOX BOX, CLAS CLASSROOM,
EXER EXERCISE_AREA, EXTE EXTERNAL_GROUNDS, FAIT FAITH_AREA, GROU GROUP, HCEL HOLDING_CELL, HOLD HOLDING_AREA,
IGRO INTERNAL_GROUNDS, INSI INSIDE_PARTY, INTE INTERVIEW, LOCA LOCATION, MEDI MEDICAL, MOVE MOVEMENT_AREA, OFFI OFFICE,
OUTS OUTSIDE_PARTY, POSI POSITION, RESI RESIDENTIAL_UNIT, ROOM ROOM, RTU RETURN_TO_UNIT, SHEL SHELF, SPOR SPORTS,
STOR STORE, TABL TABLE, TRAI TRAINING_AREA, TRRM TRAINING_ROOM, VIDE VIDEO_LINK, VISIT VISITS, WORK WORKSHOP"""
HOUSING = """HC HEALTHCARE, HOLC HOLDING_CELL, NA NORMAL_ACCOMMODATION, OU OTHER_USE, REC RECEPTION, SEG SEGREGATION,
SPLC SPECIALIST_CELL"""
REASONS = """A NEW_BUILDING, B CELL_RECLAIMS, C CHANGE_OF_USE, D REFURBISHMENT, E CLOSURE, F OTHER, G LOCAL_WORK,
H STAFF_SHORTAGE, I MOTHBALLED, J DAMAGED, K OUT_OF_USE, L CELLS_RETURNING_TO_USE"""
FITTINGS = """ABD ANTI_BARRICADE_DOOR, ACB AUDITABLE_CELL_BELL, FIB FIXED_BED, MD METAL_DOOR, MOB MOVABLE_BED,
PC PRIVACY_CURTAIN, PS PRIVACY_SCREEN, SCB STANDARD_CELL_BELL, SETO SEPARATE_TOILET, WD WOODEN_DOOR"""
UNIT = """A CAT_A_CELL, DO DOUBLE_OCCUPANCY, ELC E_LIST_CELL, GC GATED_CELL, LC LISTENER_CELL, LF LOCATE_FLAT,
MO MULTIPLE_OCCUPANCY, NSMC NON_SMOKER_CELL, OC OBSERVATION_CELL, SC SAFE_CELL, SO SINGLE_OCCUPANCY, SPC SPECIAL_CELL,
WA WHEELCHAIR_ACCESS"""
USED_FOR = """1 UNCONVICTED_JUVENILES, 2 SENTENCED_JUVENILES, 3 UNCONVICTED_18_20, 4 SENTENCED_18_20,
5 UNCONVICTED_ADULTS, 6 SENTENCED_ADULTS, 7 V VULNERABLE_PRISONER_UNIT, 8 SPECIAL_UNIT, 9 RESETTLEMENT_HOSTEL,
10 HEALTHCARE_CENTRE, 11 H NATIONAL_RESOURCE_HOSPITAL, 12 OTHER_SPECIFIED, A REMAND_CENTRE, B LOCAL_PRISON,
C CLOSED_PRISON, D OPEN_TRAINING, E HOSTEL, I CLOSED_YOUNG_OFFENDER, J OPEN_YOUNG_OFFENDER, K REMAND_UNDER_18,
L SENTENCED_UNDER_18, R ECL_COMPONENT, T ADDITIONAL_SPECIAL_UNIT, Y SECOND_CLOSED_TRAINER, Z IMMIGRATION_DETAINEES"""
LEVELS = """A CAT_A, E CAT_A_EX, H CAT_A_HI, B CAT_B, C CAT_C, D CAT_D, GRANTED PAROLE_GRANTED, I YOI_CLOSED,
J YOI_OPEN, V YOI_RESTRICTED, K YOI_SHORT_SENTENCE, L YOI_LONG_TERM_CLOSED, Z UNCLASSIFIED,
X UNCATEGORISED_SENTENCED_MALE, LOW LOW, MED MEDIUM, HI HIGH, N/A NA NOT_APPLICABLE, P PROV_A, PEND PENDING,
REF/REVIEW REF_REVIEW, REFUSED REFUSED_NO_REVIEW, STANDARD STANDARD, Q FEMALE_RESTRICTED, R FEMALE_CLOSED,
S FEMALE_SEMI, T FEMALE_OPEN, U UN_SENTENCED, Y YES, N NO"""
USAGE = """APP APPOINTMENT, VISIT VISIT, MOVEMENT MOVEMENT, OCCUR OCCURRENCE, OIC ADJUDICATION_HEARING, OTHER OTH OTHER,
PROG PROGRAMMES_ACTIVITIES, PROP PROPERTY"""
HISTORY = {
    "Unit Type": "RESIDENTIAL_HOUSING_TYPE", "Active": "ACTIVE", "Living Unit Id": "CODE", "Comments": "COMMENTS",
    "Accommodation Type": "LOCATION_TYPE", "Certified": "CERTIFIED", "Description": "DESCRIPTION",
    "Baseline CNA": "CERTIFIED_CAPACITY", "Operational Capacity": "OPERATIONAL_CAPACITY",
    "Deactivate Reason": "DEACTIVATED_REASON", "Proposed Reactivate Date": "PROPOSED_REACTIVATION_DATE",
    "Sequence": "ORDER_WITHIN_PARENT_LOCATION", "Deactivate Date": "DEACTIVATED_DATE",
    "Maximum Capacity": "CAPACITY", None: "ATTRIBUTES",
}  # fmt: skip
PROFILES = {
    "HOU_SANI_FIT": FITTINGS, "HOU_UNIT_ATT": UNIT, "HOU_USED_FOR": USED_FOR, "SUP_LVL_TYPE": LEVELS,
}  # fmt: skip
NEVER_SENT = {"CELL", "LANDING", "WING", "ELIGIBLE", "INELIGIBLE"}


def table(text: str) -> dict[str, str]:
    rows = [row.split() for row in text.split(",")]
    return {code: row[-1] for row in rows for code in row[:-1]}


def every_attribute() -> list[tuple[str, str, str]]:
    return [(kind, code, dps) for kind, text in PROFILES.items() for code, dps in table(text).items()]


@pytest.mark.parametrize(("code", "dps"), table(TYPES).items())
def test_a_location_type(code: str, dps: str) -> None:
    location = nomis_location(locationType=code)
    assert to_migrate(location, None).location_type == to_upsert(location, None, None).location_type == dps


@pytest.mark.parametrize(("code", "dps"), [*table(HOUSING).items(), (None, None)])
def test_a_housing_type(code: str | None, dps: str | None) -> None:
    location = nomis_location(unitType=code)
    assert to_migrate(location, None).residential_housing_type == dps
    assert to_upsert(location, None, None).residential_housing_type == dps


@pytest.mark.parametrize(("code", "dps"), [*table(REASONS).items(), (None, "OTHER")])
def test_a_deactivation_reason(code: str | None, dps: str) -> None:
    location = nomis_location(active=False, reasonCode=code)
    assert to_migrate(location, None).deactivation_reason == dps
    assert to_upsert(location, None, None).deactivation_reason == dps


@pytest.mark.parametrize(("kind", "code", "dps"), every_attribute())
def test_an_attribute(kind: str, code: str, dps: str) -> None:
    location = nomis_location(profiles=[{"profileType": kind, "profileCode": code}])
    assert to_migrate(location, None).attributes == to_upsert(location, None, None).attributes == [dps]


@pytest.mark.parametrize(("code", "dps"), table(USAGE).items())
def test_a_usage(code: str, dps: str) -> None:
    (usage,) = to_migrate(nomis_location(usages=[{"internalLocationUsageType": code}]), None).usage or []
    assert (usage.usage_type, usage.capacity, usage.sequence) == (dps, None, 0)


@pytest.mark.parametrize(("column", "dps"), HISTORY.items())
def test_a_history_attribute(column: str | None, dps: str) -> None:
    amendment: dict[str, Any] = {"amendDateTime": "2023-11-02T09:15:00", "columnName": column, "amendedBy": "X"}
    (change,) = to_migrate(nomis_location(amendments=[amendment]), None).history or []
    assert change.attribute == dps


def test_the_tables_have_no_other_rows() -> None:
    assert table(TYPES) == LOCATION_TYPES
    assert table(HOUSING) == HOUSING_TYPES
    assert {**table(REASONS), None: "OTHER"} == DEACTIVATION_REASONS
    assert {**{kind: table(text) for kind, text in PROFILES.items()}, "NON_ASSO_TYP": {}} == ATTRIBUTES
    assert table(USAGE) == USAGES
    assert HISTORY_ATTRIBUTES == HISTORY


def test_nothing_in_nomis_becomes_what_dps_alone_has() -> None:
    sent = {dps for _, _, dps in every_attribute()}
    assert sent & NEVER_SENT == set()
    assert sent == set(get_args(LocationAttribute.__value__))


@pytest.mark.parametrize("code", ["KIOSK", "cell", ""])
@pytest.mark.parametrize("migrated", [True, False], ids=["migration", "synchronisation"])
def test_an_unknown_type_is_rejected_with_id_and_code(code: str, migrated: bool) -> None:
    location = nomis_location(locationType=code)
    with pytest.raises(Rejected) as caught:
        _ = to_migrate(location, None) if migrated else to_upsert(location, None, None)
    assert (caught.value.reason, caught.value.details) == (
        "unknown-location-type",
        {"locationId": 70500, "code": code},
    )


@pytest.mark.parametrize("column", ["Paint Colour", "unit type", ""])
def test_an_unknown_history_column_is_rejected_with_id_and_name(column: str) -> None:
    amendment = {"amendDateTime": "2023-11-02T09:15:00", "columnName": column, "amendedBy": "X"}
    with pytest.raises(Rejected) as caught:
        to_migrate(nomis_location(amendments=[amendment]), None)
    assert (caught.value.reason, caught.value.details) == (
        "unknown-history-column",
        {"locationId": 70500, "code": column},
    )


def test_synchronisation_does_not_look_at_the_history() -> None:
    amendment = {"amendDateTime": "2023-11-02T09:15:00", "columnName": "Paint Colour", "amendedBy": "X"}
    assert to_upsert(nomis_location(amendments=[amendment]), None, None).code == "C"


@pytest.mark.parametrize(
    ("kind", "code"), [("HOU_UNIT_ATT", "XYZ"), ("SUP_LVL_TYPE", "ABD"), ("NON_ASSO_TYP", "STG"), ("NON_ASSO_TYP", "A")]
)
def test_an_unknown_code_of_a_profile_is_left_out_with_a_warning(
    kind: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    location = nomis_location(profiles=[{"profileType": kind, "profileCode": code}])
    assert to_upsert(location, None, None).attributes == []
    assert caplog.messages == [f"location 70500: profile {kind} {code} is unknown in DPS and left out"]
