"""NOMIS location to that of the locations service: pure rules (locations card, section 6)."""

import logging
from datetime import date, datetime
from typing import TypedDict
from uuid import UUID

from nomis_pipelines.contracts.locations import (
    Capacity,
    Certification,
    ChangeOfLocation,
    DeactivationReason,
    LocationAttribute,
    LocationType,
    MigratedCapacity,
    MigrateLocation,
    ResidentialHousingType,
    UpsertLocation,
    Usage,
    UsageType,
)
from nomis_pipelines.contracts.nomis_prisoner import Location, LocationAmendment
from nomis_pipelines.domains.locations.codes import (
    ATTRIBUTES,
    DEACTIVATION_REASONS,
    HISTORY_ATTRIBUTES,
    HOUSING_TYPES,
    LOCATION_TYPES,
    USAGES,
)
from nomis_pipelines.migration.declaration import Rejected

UNKNOWN_TYPE = "unknown-location-type"
UNKNOWN_COLUMN = "unknown-history-column"

log = logging.getLogger(__name__)


class _Common(TypedDict):
    prison_id: str
    code: str
    location_type: LocationType
    local_name: str | None
    comments: str | None
    order_within_parent_location: int | None
    residential_housing_type: ResidentialHousingType | None
    parent_id: UUID | None
    attributes: list[LocationAttribute] | None
    usage: list[Usage] | None
    is_deactivated: bool
    deactivated_date: date | None
    deactivation_reason: DeactivationReason | None
    proposed_reactivation_date: date | None
    create_date: datetime
    last_updated_by: str


def to_migrate(location: Location, parent_dps_id: str | None) -> MigrateLocation:
    """The body of the migration. Raises `Rejected` for an unknown location type or column of the history."""
    certification = None
    if location.certified is not None or location.cna_capacity is not None:
        certification = Certification(
            certified=location.certified or False, capacity_of_certified_cell=location.cna_capacity or 0
        )
    capacity = None
    if _has_capacity(location):
        capacity = MigratedCapacity(
            max_capacity=location.capacity or 0, working_capacity=location.operational_capacity or 0
        )
    history = None
    if location.amendments is not None:
        history = [_change(location.location_id, amendment) for amendment in location.amendments]
    return MigrateLocation(
        **_common(location, parent_dps_id), capacity=capacity, certification=certification, history=history
    )


def to_upsert(location: Location, dps_id: str | None, parent_dps_id: str | None) -> UpsertLocation:
    """The body of synchronisation: an update of `dps_id`, or a create. Raises `Rejected` for an unknown location type.

    Without any other capacity the CNA figure is lost.
    """
    capacity = None
    if _has_capacity(location):
        capacity = Capacity(
            max_capacity=location.capacity or 0,
            working_capacity=location.operational_capacity or 0,
            certified_normal_accommodation=location.cna_capacity,
        )
    return UpsertLocation(
        **_common(location, parent_dps_id),
        id=None if dps_id is None else UUID(dps_id),
        capacity=capacity,
        certified_cell=location.certified,
        internal_movement_allowed=location.tracking,
    )


def _common(location: Location, parent_dps_id: str | None) -> _Common:
    kind = LOCATION_TYPES.get(location.location_type)
    if kind is None:
        raise Rejected(UNKNOWN_TYPE, locationId=location.location_id, code=location.location_type)
    active = location.active
    return {
        "prison_id": location.prison_id,
        "code": location.location_code,
        "location_type": kind,
        "local_name": location.user_description,
        "comments": location.comment,
        "order_within_parent_location": location.list_sequence,
        "residential_housing_type": None if location.unit_type is None else HOUSING_TYPES[location.unit_type],
        "parent_id": None if parent_dps_id is None else UUID(parent_dps_id),
        "attributes": _attributes(location),
        "usage": _usage(location),
        "is_deactivated": not active,
        "deactivated_date": None if active else location.deactivate_date,
        "deactivation_reason": None if active else DEACTIVATION_REASONS[location.reason_code],
        "proposed_reactivation_date": None if active else location.reactivate_date,
        "create_date": location.create_datetime,
        "last_updated_by": location.modify_username or location.create_username,
    }


def _has_capacity(location: Location) -> bool:
    return location.capacity is not None or location.operational_capacity is not None


def _attributes(location: Location) -> list[LocationAttribute] | None:
    if location.profiles is None:
        return None
    found: dict[LocationAttribute, None] = {}
    for profile in location.profiles:
        attribute = ATTRIBUTES[profile.profile_type].get(profile.profile_code)
        if attribute is None:
            log.warning(
                "location %d: profile %s %s is unknown in DPS and left out",
                location.location_id,
                profile.profile_type,
                profile.profile_code,
            )
        else:
            found[attribute] = None
    # an empty set is sent: it clears what DPS has (section 11)
    return list(found)


def _usage(location: Location) -> list[Usage] | None:
    if location.usages is None:
        return None
    # as dictionary keys, since a set would lose the order
    triples: dict[tuple[UsageType, int | None, int], None] = {}
    for usage in location.usages:
        triples[USAGES[usage.internal_location_usage_type], usage.capacity, usage.sequence or 0] = None
    return [Usage(usage_type=kind, capacity=capacity, sequence=sequence) for kind, capacity, sequence in triples]


def _change(location_id: int, amendment: LocationAmendment) -> ChangeOfLocation:
    attribute = HISTORY_ATTRIBUTES.get(amendment.column_name)
    if attribute is None:
        raise Rejected(UNKNOWN_COLUMN, locationId=location_id, code=amendment.column_name)
    return ChangeOfLocation(
        attribute=attribute,
        old_value=amendment.old_value,
        new_value=amendment.new_value,
        amended_by=amendment.amended_by,
        amended_date=amendment.amend_date_time,
    )
