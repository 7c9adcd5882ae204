"""Errors as callers see them: one shape for all (platform card, section 3.9). No traceback, no value of a record."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException as StarletteHTTPException

from nomis_pipelines.http import AuthError, ServiceError, Unavailable
from nomis_pipelines.ledger import LedgerUnavailable
from nomis_pipelines.migration.actions import ActionError
from nomis_pipelines.migration.ids import FilterRefused
from nomis_pipelines.settings import SettingError
from nomis_pipelines.synchronisation import QueueError, UnknownQueue

PREFIXES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    503: "Service Unavailable",
}


class ErrorBody(BaseModel):
    """What every error but 401 and 403 answers."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    status: int
    error_code: int | None = None
    user_message: str | None = None
    developer_message: str | None = None
    more_info: str | None = None


class ApiError(Exception):
    """An answer other than success. `prefix` begins the message for people; by default it goes with the status.

    `shown_status` is for the one answer whose body says another status than its head (platform card, section 3.9).
    """

    def __init__(self, status: int, message: str, *, prefix: str = "", shown_status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.shown_status = shown_status or status
        self.message = message
        self.prefix = prefix or PREFIXES.get(status, "Internal error")


class Forbidden(ApiError):
    """The caller has none of the roles that an endpoint takes."""

    def __init__(self) -> None:
        super().__init__(403, "")


def not_found(what: str) -> ApiError:
    """404 for an unknown id, name or path."""
    return ApiError(404, what)


def invalid_argument(message: str) -> ApiError:
    """400 for a value in path or query that cannot be read."""
    return ApiError(400, message, prefix="Invalid Argument")


def validation_failure(message: str) -> ApiError:
    """400 for a body whose values are not allowed."""
    return ApiError(400, message, prefix="Validation failure")


def problems_of(problems: list[Any], *, skip: int = 0) -> str:
    """Pydantic's problems in one line: where and what, never the value; `skip` leaves out leading places."""
    lines = [f"{'.'.join(map(str, each['loc'][skip:])) or 'body'}: {each['msg']}" for each in problems]
    return "; ".join(lines[:10]) + (f"; and {len(lines) - 10} more" if len(lines) > 10 else "")


def answer(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """The HTTP answer for an error."""
    if isinstance(error, Forbidden):
        return JSONResponse({"status": 403}, 403)
    body = ErrorBody(
        status=error.shown_status,
        user_message=f"{error.prefix}: {error.message}",
        developer_message=error.message,
    )
    return JSONResponse(body.model_dump(by_alias=True), error.status, dict(headers or {}))


def as_api_error(error: Exception) -> ApiError:
    """What a failure underneath looks like from outside. Anything not foreseen is a 500 that says no more than that."""
    match error:
        case ApiError():
            return error
        case FilterRefused():
            return ApiError(400, str(error))
        case ActionError():
            return ApiError(error.status, error.message, shown_status=error.shown_status)
        case UnknownQueue():
            return not_found(str(error))
        case ServiceError():
            away = isinstance(error, Unavailable | AuthError) or error.status is None
            notes = [str(error), *getattr(error, "__notes__", [])]
            return ApiError(503 if away else 500, "; ".join(notes))
        case LedgerUnavailable() | QueueError():
            return ApiError(503, str(error))
        case SettingError():
            return ApiError(500, str(error))
        case _:
            return ApiError(500, f"unexpected {type(error).__name__}; the log of the control API says where")


def is_foreseen(error: Exception) -> bool:
    """Whether an error says enough by itself, so that the log need not tell its place."""
    return isinstance(
        error,
        ApiError
        | FilterRefused
        | ActionError
        | UnknownQueue
        | ServiceError
        | LedgerUnavailable
        | QueueError
        | SettingError,
    )


def install(app: FastAPI) -> None:
    """Have the framework's own refusals answer in our shape."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)  # noqa: S101  # registered for these only
        message = "no such path" if error.status_code == 404 else str(error.detail)
        return answer(ApiError(error.status_code, message), error.headers)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for these only
        return answer(invalid_argument(problems_of(list(error.errors()), skip=1)))

    async def ours(_request: Request, error: Exception) -> Response:
        return answer(as_api_error(error))

    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (
        ApiError,
        FilterRefused,
        ActionError,
        UnknownQueue,
        ServiceError,
        LedgerUnavailable,
        QueueError,
        SettingError,
    ):
        app.add_exception_handler(kind, ours)
