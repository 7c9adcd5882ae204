"""Ids of DPS records as the mapping service gives them."""

from uuid import UUID

from nomis_pipelines.http import InvalidAnswer


def dps_uuid(text: str, mapping_path: str) -> UUID:
    """A DPS id where a body takes only a UUID. Raises `InvalidAnswer`: the mapping service gave it."""
    try:
        return UUID(text)
    except ValueError:
        reason = "an id of a DPS record that is not a UUID"
        raise InvalidAnswer("mapping", "GET", mapping_path, reason=reason) from None
