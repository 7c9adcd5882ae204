"""Repairs and reports of the domains, from their declarations (platform card, section 3.7)."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from nomis_pipelines.api.context import Context, require
from nomis_pipelines.api.errors import ApiError, as_api_error, invalid_argument
from nomis_pipelines.api.reading import described, variables, variables_of
from nomis_pipelines.api.roles import domain_roles
from nomis_pipelines.domains.declaration import Domain, Report
from nomis_pipelines.http import ServiceError
from nomis_pipelines.synchronisation.repair import Repair, RepairError, run_repair


def repair_routes(domains: Sequence[Domain]) -> APIRouter:
    """The repairs and reports of all domains."""
    router = APIRouter()
    for domain in domains:
        for report in domain.reports:
            _add_report(router, domain, report)
        for repair in domain.repairs:
            _add_repair(router, domain, repair)
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
