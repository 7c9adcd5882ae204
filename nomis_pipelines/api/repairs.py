"""What else the domains offer, from their declarations: repairs, reports, actions (platform card, section 3.7)."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from nomis_pipelines.api.context import Context, require
from nomis_pipelines.api.errors import ApiError, as_api_error, invalid_argument
from nomis_pipelines.api.reading import (
    IdPath,
    body_of,
    described,
    migration_id_of,
    schema_of,
    variables,
    variables_of,
)
from nomis_pipelines.api.roles import domain_roles
from nomis_pipelines.domains.declaration import Domain, Mock, Preview, Report
from nomis_pipelines.http import ServiceError
from nomis_pipelines.migration.actions import Action, NoParameters
from nomis_pipelines.synchronisation.repair import Repair, RepairError, run_repair


def repair_routes(domains: Sequence[Domain]) -> APIRouter:
    """The repairs, reports, previews, actions and mocks of all domains."""
    router = APIRouter()
    for domain in domains:
        for report in domain.reports:
            _add_report(router, domain, report)
        for preview in domain.previews:
            _add_preview(router, domain, preview)
        for repair in domain.repairs:
            _add_repair(router, domain, repair)
        for action in domain.actions:
            _add_action(router, domain, action)
        for mock in domain.mocks:
            _add_mock(router, mock)
    return router


def _add_repair(router: APIRouter, domain: Domain, repair: Repair) -> None:
    async def work(request: Request, context: Context) -> Response:
        # here and to its end, as callers expect: what fails part-way is answered 500, and may be asked for again
        try:
            await run_repair(repair, context.platform, variables_of(request, repair.parameters))
        except RepairError as error:
            raise invalid_argument(str(error)) from None
        except ServiceError as error:
            raise ApiError(500, as_api_error(error).message) from error
        return Response(status_code=repair.status)

    router.add_api_route(
        repair.path,
        work,
        methods=[repair.method],
        status_code=repair.status,
        response_class=Response,
        summary=repair.summary,
        operation_id=f"repair_{domain.name}_{repair.name}",
        tags=["repairs"],
        dependencies=[require(frozenset(repair.roles))],
        openapi_extra={"parameters": described(repair.parameters, repair.path)},
    )


def _add_action(router: APIRouter, domain: Domain, action: Action) -> None:
    has_body = action.parameters is not NoParameters

    async def act(migration_id: IdPath, request: Request, context: Context) -> Any:
        parameters = await body_of(request, action.parameters) if has_body else NoParameters()
        lines = await action.work(context.platform, migration_id_of(migration_id), parameters)
        return lines if action.answers else Response(status_code=200)

    body = {"required": True, "content": {"application/json": {"schema": schema_of(action.parameters)}}}
    router.add_api_route(
        action.path,
        act,
        methods=["PUT"],
        summary=action.summary,
        operation_id=f"{domain.name}_{action.name.replace('-', '_')}",
        tags=["actions"],
        dependencies=[require(domain_roles(domain))],
        response_class=JSONResponse if action.answers else Response,
        response_model=list[str] if action.answers else None,
        openapi_extra={"requestBody": body} if has_body else None,
    )


def _add_report(router: APIRouter, domain: Domain, report: Report) -> None:
    async def read(request: Request, context: Context) -> Any:
        return await report.work(context.platform.clients, variables(request, report.parameters))

    router.add_api_route(
        report.path,
        read,
        methods=["GET"],
        summary=report.summary,
        operation_id=f"report_{report.path.strip('/').replace('/', '_')}",
        tags=["reports"],
        dependencies=[require(domain_roles(domain))],
        response_model=list[report.row],
        response_model_exclude_none=True,
        openapi_extra={"parameters": described(report.parameters, report.path)},
    )


def _add_preview(router: APIRouter, domain: Domain, preview: Preview) -> None:
    async def read(request: Request, context: Context) -> Any:
        platform = context.platform
        parameters = variables(request, preview.parameters)
        try:
            return await preview.work(platform.clients, parameters, platform.today())
        except ServiceError as error:
            raise ApiError(500, as_api_error(error).message) from error

    router.add_api_route(
        preview.path,
        read,
        methods=["GET"],
        summary=preview.summary,
        operation_id=f"preview_{domain.name}",
        tags=["reports"],
        dependencies=[require(domain_roles(domain))],
        response_model=preview.body,
        response_model_exclude_none=True,
        openapi_extra={"parameters": described(preview.parameters, preview.path)},
    )


def _add_mock(router: APIRouter, mock: Mock) -> None:
    async def play(request: Request) -> Response:
        answer = mock.answer(await body_of(request, mock.body))
        return Response(answer.model_dump_json(by_alias=True), status_code=mock.status, media_type="application/json")

    router.add_api_route(
        mock.path,
        play,
        methods=[mock.method],
        response_class=Response,
        include_in_schema=False,
        dependencies=[require(frozenset({mock.role}))],
    )
