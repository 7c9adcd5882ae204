"""What duplicate events say, alike in all domains (platform card, section 6.2)."""

from collections.abc import Mapping
from typing import Any


def duplicate_properties(
    duplicate: Mapping[str, Any] | None, existing: Mapping[str, Any] | None, *fields: str
) -> dict[str, object]:
    """`fields` of the surplus pair and of the one in the mapping service, as `duplicateVsipId`, `existingVsipId` …"""
    return {
        f"{prefix}{field[0].upper()}{field[1:]}": (pair or {}).get(field)
        for prefix, pair in (("duplicate", duplicate), ("existing", existing))
        for field in fields
    }
