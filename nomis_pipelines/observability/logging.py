"""How our command-line processes log: one line an entry on standard error, no payloads, no secrets."""

import logging
import re
import sys
from collections.abc import Iterable
from typing import TextIO

from nomis_pipelines.settings import Settings

HIDDEN = "****"

# At INFO or DEBUG these write addresses with query strings, SQL parameters or message bodies; alembic, its plugins.
_QUIET = (
    "aiobotocore",
    "alembic.runtime.plugins",
    "asyncio",
    "boto3",
    "botocore",
    "httpcore",
    "httpx",
    "opentelemetry",
    "sqlalchemy",
    "urllib3",
)
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)")


class RedactingFormatter(logging.Formatter):
    """Writes `HIDDEN` in place of known secrets, tokens and passwords in addresses, also inside tracebacks."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def format(self, record: logging.LogRecord) -> str:
        """The whole entry as text, redacted."""
        text = _CREDENTIALS.sub(_hide, super().format(record))
        return self._known.sub(HIDDEN, text) if self._known else text


def _hide(match: re.Match[str]) -> str:
    return f"{match[1]} {HIDDEN}" if match[1] else HIDDEN


def configure_logging(
    settings: Settings | None = None, *, level: str | None = None, stream: TextIO | None = None
) -> None:
    """Set up the root logger of this process, in place of what was there.

    `level` is a name such as `WARNING`; by default the one in the settings, or INFO when there are none.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(RedactingFormatter(settings.secrets if settings else ()))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level or (settings.log_level if settings else "INFO"))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
