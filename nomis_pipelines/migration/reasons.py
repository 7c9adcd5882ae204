"""Why a record failed, as the ledger keeps it: a short code, and details that hold no value of the record.

Also what an operator should check when it is not a record that failed, but the start of a run.
"""

from collections.abc import Mapping
from typing import Any

from nomis_pipelines.http import (
    AuthError,
    InvalidAnswer,
    OutcomeUnknown,
    Rejected as RefusedByService,
    ServiceError,
    Unavailable,
)
from nomis_pipelines.migration.declaration import Failed, ParentNotMigrated
from nomis_pipelines.settings import SERVICES


def reason_of(error: Exception) -> str:
    """A short code for why a record failed: the service and its status, or the kind of error."""
    match error:
        case OutcomeUnknown():
            return f"{error.service}-outcome-unknown"
        case InvalidAnswer():  # its status is a good one
            return f"{error.service}-invalid-answer"
        case ServiceError():
            return f"{error.service}-{error.status or 'unavailable'}"
        case ParentNotMigrated():
            return "parent-not-migrated"
        case Failed():
            return error.reason
        case _:
            return f"error-{type(error).__name__}"


def words_of(error: Exception) -> str:
    """An error in words for telemetry: those of errors that are known to hold no value, else the kind of error."""
    return str(error) if isinstance(error, ServiceError | Failed | ParentNotMigrated) else type(error).__name__


def describe(error: Exception) -> Mapping[str, Any]:
    """What the ledger keeps of an error: where it happened and a redacted body; never a value of the record."""
    if isinstance(error, ParentNotMigrated):
        return {"parent": error.parent, "problem": error.message}
    if isinstance(error, Failed):
        return {"problem": error.message}
    if not isinstance(error, ServiceError):
        return {"error": type(error).__name__, "at": _place(error)}
    details: dict[str, Any] = {"service": error.service, "method": error.method, "path": error.template}
    if error.reason:
        details["problem"] = error.reason
    if isinstance(error, RefusedByService | Unavailable) and error.redacted_body:
        details["body"] = error.redacted_body
    return details


def fix_for(error: ServiceError) -> str:
    """The settings to check when a service fails at the start of a run; empty when it is not a matter of settings."""
    spec = SERVICES[error.service]
    match error:
        case AuthError(status=None):
            return "check API_BASE_URL_HMPPS_AUTH, and that HMPPS Auth can be reached from here"
        case AuthError():
            return f"check {spec.id_variable} and {spec.secret_variable}"
        case ServiceError(status=None):
            return f"check {spec.url_variable}, and that {spec.purpose} can be reached from here"
        case ServiceError(status=401 | 403):
            return f"check the roles of the client in {spec.id_variable}"
        case ServiceError(status=404):
            return f"check {spec.url_variable}"
        case _:
            return ""


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
