"""Reading what callers send: ids, local date-times, filters, variables of repairs and reports."""

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from fastapi import Path, Request
from pydantic import BaseModel, ValidationError

from nomis_pipelines.api.errors import ApiError, invalid_argument, not_found, problems_of, validation_failure
from nomis_pipelines.settings import LONDON

IdPath = Annotated[str, Path(alias="migrationId")]
TypePath = Annotated[str, Path(alias="migrationType")]

Model = TypeVar("Model", bound=BaseModel)

_MIGRATION_ID = re.compile(r"[0-9T:.\-]{1,40}", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?", re.ASCII)


def migration_id_of(text: str) -> str:
    """A migration id from a path; 404 for what can be none."""
    if not _MIGRATION_ID.fullmatch(text):
        raise not_found(text[:100])
    return text


def local_time(name: str, text: str | None) -> datetime | None:
    """A local date-time of a query, such as `2024-05-01T00:00:00`, as a moment in London. 400 for anything else."""
    if text is None:
        return None
    try:
        if not _LOCAL.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
        if not 1900 <= moment.year <= 2500:
            raise ValueError
    except ValueError:
        raise invalid_argument(f"{name} must be a local date-time such as 2024-05-01T00:00:00") from None
    return moment.replace(tzinfo=ZoneInfo(LONDON))


def plain_text(name: str, text: str | None) -> str | None:
    """A text of a query that a database can hold."""
    if text is not None and "\x00" in text:
        raise invalid_argument(f"{name} holds a character that no text has")
    return text


async def body_of(request: Request, model: type[Model]) -> Model:
    """The JSON body of a request. 415 for another content type, 400 for what is malformed or not allowed."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError(415, "the body must be application/json")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        problems: list[Any] = list(error.errors(include_input=False, include_url=False, include_context=False))
        if any(problem["type"] == "json_invalid" for problem in problems):
            raise ApiError(400, "the body is not JSON") from None
        raise validation_failure(problems_of(problems)) from None


def variables_of(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    """The path and query variables that are fields of a model; others are ignored.

    A list is a variable given several times, or once with commas.
    """
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        alias = field.alias or name
        given = request.query_params.getlist(alias)
        if given:
            is_list = str(field.annotation).startswith("list")
            values[alias] = [part for text in given for part in text.split(",") if part] if is_list else given[-1]
    fields = {field.alias or name for name, field in model.model_fields.items()}
    return values | {name: value for name, value in request.path_params.items() if name in fields}


def variables(request: Request, model: type[Model]) -> Model:
    """The same, read into the model. 400 for values that do not fit."""
    try:
        return model.model_validate(variables_of(request, model))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise invalid_argument(problems_of(list(problems))) from None


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of what callers send."""
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    localise(schema)
    return schema


def localise(schema: Any) -> None:
    """Take back, all through a schema, that date-times are JSON schema's: ours are local, which it has no word for."""
    if isinstance(schema, list):
        for part in schema:
            localise(part)
    elif isinstance(schema, dict):
        if schema.get("format") == "date-time":
            schema["pattern"] = f"^{_LOCAL.pattern}$"
            del schema["format"]
        for part in schema.values():
            localise(part)


def described(model: type[BaseModel], path: str) -> list[dict[str, Any]]:
    """The parameters of an endpoint for the OpenAPI document, from the model that holds its variables."""
    schema = schema_of(model)
    return [
        {
            "name": name,
            "in": "path" if f"{{{name}}}" in path else "query",
            "required": f"{{{name}}}" in path or name in schema.get("required", ()),
            "schema": {key: value for key, value in field.items() if key != "title"},
        }
        for name, field in schema["properties"].items()
    ]
