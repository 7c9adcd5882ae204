"""Types of filter fields that several domains have."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator

from nomis_pipelines.migration.partitions import PRISON_CODE
from nomis_pipelines.settings import LONDON, load_settings

_PLAIN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _plain_date(value: object) -> object:
    # pydantic would take a moment in any zone, or a number of seconds, for the day it falls on in UTC
    if isinstance(value, int | float) or (isinstance(value, str) and not _PLAIN_DATE.fullmatch(value)):
        raise ValueError("a date is a year, a month and a day, such as 2024-05-01")
    return value


def _prison_code(code: str) -> str:
    if not PRISON_CODE.fullmatch(code):
        raise ValueError("a prison code is three to six capitals or digits, such as HEI")
    return code


PlainDate = Annotated[date, BeforeValidator(_plain_date)]
"""A day, written `2024-05-01` and in no other way."""

PrisonCode = Annotated[str, AfterValidator(_prison_code)]
"""The code of one prison, such as `HEI`."""


def tomorrow() -> date:
    """The day after today in London, or after the one that `NOMIS_PIPELINES_TODAY` sets."""
    return (load_settings().today or datetime.now(ZoneInfo(LONDON)).date()) + timedelta(days=1)
