"""How a handler's exception becomes a line in the log and a time to come back."""

import traceback
from dataclasses import dataclass
from pathlib import Path

from nomis_pipelines.http import AuthError, CircuitOpen, ServiceError, Unavailable
from nomis_pipelines.ledger import LedgerError, LedgerUnavailable
from nomis_pipelines.settings import SettingError
from nomis_pipelines.synchronisation.envelope import MalformedMessage
from nomis_pipelines.synchronisation.errors import HandlerError, Redeliver
from nomis_pipelines.synchronisation.report import Outcome
from nomis_pipelines.synchronisation.sqs import QueueError

LEDGER = "ledger"

_SPEAKS_SAFELY = (ServiceError, LedgerError, HandlerError, MalformedMessage, QueueError, SettingError)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a delivery failed. `seconds` overrides the queue's own, when `at_least` only where those are fewer; `service`
    is set when a service cannot be used.
    """

    reason: str
    outcome: Outcome = Outcome.FAILED
    seconds: int | None = None
    at_least: bool = False
    service: str = ""

    def pause(self, own: int) -> int:
        """The seconds until the message comes back, where the queue's own would be `own`."""
        if self.seconds is None:
            return own
        return max(own, self.seconds) if self.at_least else self.seconds


def failure_of(error: Exception) -> Failure:
    """What the log may say about an exception: only our own errors are known to hold no personal data."""
    if isinstance(error, Redeliver):
        return Failure(_reason(error), seconds=error.seconds, at_least=error.at_least)
    outcome = Outcome.MALFORMED if isinstance(error, MalformedMessage) else Outcome.FAILED
    return Failure(_reason(error), outcome=outcome, service=_service(error))


def told(error: Exception) -> str:
    """What telemetry may say about an exception: its message where that holds no personal data, else its class."""
    return str(error) if isinstance(error, _SPEAKS_SAFELY) else type(error).__name__


def shown_text(error: Exception) -> str:
    """What telemetry may say of an exception: the text of our own errors, of any other only what it is."""
    return str(error) if isinstance(error, _SPEAKS_SAFELY) else type(error).__name__


def _service(error: Exception) -> str:
    if isinstance(error, Unavailable | CircuitOpen | AuthError):
        return error.service
    return LEDGER if isinstance(error, LedgerUnavailable) else ""


def _reason(error: Exception) -> str:
    name = type(error).__name__
    if isinstance(error, _SPEAKS_SAFELY):
        return f"{name}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return name
    return f"{name} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
