"""How NOMIS's punishments read in DPS: their days and their type (adjudications card, sections 5.4 and 6)."""

import calendar
from datetime import date

from nomis_pipelines.contracts.nomis_prisoner import HearingAward

PUNISHMENT_TYPES = (
    "PRIVILEGE", "EARNINGS", "CONFINEMENT", "REMOVAL_ACTIVITY", "EXCLUSION_WORK", "EXTRA_WORK", "REMOVAL_WING",
    "ADDITIONAL_DAYS", "PROSPECTIVE_DAYS", "CAUTION", "DAMAGES_OWED",
)  # fmt: skip
"""DPS's types, in the order in which punishments are sorted to be paired."""
PROSPECTIVE_STATUSES = frozenset({"PROSPECTIVE", "SUSP_PROSP"})
TYPE_OF_SANCTION = {
    "PADA": "PROSPECTIVE_DAYS",
    "EXTRA_WORK": "EXCLUSION_WORK",  # no slip: DPS reads the raw codes this way
    "EXTW": "EXTRA_WORK",
    "CAUTION": "CAUTION",
    "CC": "CONFINEMENT",
    "REMACT": "REMOVAL_ACTIVITY",
    "REMWIN": "REMOVAL_WING",
    "STOP_PCT": "EARNINGS",
}


def punishment_type(sanction: str, status: str, compensation: float | None) -> str:
    """The type that DPS gives a punishment of these codes; what it does not know is a lost privilege."""
    if sanction == "ADA":
        return "PROSPECTIVE_DAYS" if status in PROSPECTIVE_STATUSES else "ADDITIONAL_DAYS"
    if sanction == "OTHER":
        return "PRIVILEGE" if compensation is None else "DAMAGES_OWED"
    return TYPE_OF_SANCTION.get(sanction, "PRIVILEGE")


def days_of(award: HearingAward) -> int | None:
    """Days and months of an award as days; None when it has neither."""
    if award.sanction_months is None:
        return award.sanction_days
    return (award.sanction_days or 0) + days_of_months(award.effective_date, award.sanction_months)


def days_of_months(start: date, months: int) -> int:
    """Calendar days from `start` to the same day so many months later, or to the end of a month that lacks it."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return (date(year, month + 1, min(start.day, last)) - start).days
