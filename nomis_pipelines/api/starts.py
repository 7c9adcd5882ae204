"""Starting migrations: one endpoint a domain and path, in both contracts (platform card, sections 3.2, 3.3, 3.8)."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from nomis_pipelines.api import operations
from nomis_pipelines.api.auth import Principal
from nomis_pipelines.api.context import Context, require
from nomis_pipelines.api.models import Started
from nomis_pipelines.api.reading import body_of, schema_of
from nomis_pipelines.api.roles import ANY_DOMAIN_ROLES, domain_roles
from nomis_pipelines.domains.declaration import Domain


def start_routes(domains: Sequence[Domain]) -> APIRouter:
    """`POST /migrate/<segment>` of every domain."""
    router = APIRouter(tags=["start"])
    for domain in domains:
        for segment in dict.fromkeys(part for part in (domain.paths.today, domain.paths.in_2024) if part):
            _add(router, domain, segment)
    return router


def _add(router: APIRouter, domain: Domain, segment: str) -> None:
    caller = require(domain_roles(domain))

    async def start(request: Request, context: Context, who: Principal = caller) -> JSONResponse:
        filter = await body_of(request, domain.migration.filter)
        opened = await operations.start(context, domain, filter, who.name)
        started = Started(
            type=domain.migration.migration_type,
            migration_id=opened.migration_id,
            estimated_count=opened.estimated,
            body=filter.model_dump(mode="json", by_alias=True, exclude_none=True),
            properties=domain.migration.properties(filter),
        )
        # one path may serve both contracts: who has nothing but the role of 2024 is a client of 2024
        today = segment == domain.paths.today and bool(who.roles & ANY_DOMAIN_ROLES)
        return JSONResponse(started.model_dump(by_alias=True, exclude=set() if today else {"properties"}), 202)

    router.add_api_route(
        f"/migrate/{segment}",
        start,
        methods=["POST"],
        status_code=202,
        summary=f"Start a migration of {domain.title.lower()}",
        operation_id=f"start_{segment.replace('-', '_')}",
        responses={202: {"model": Started}},
        openapi_extra={"requestBody": _body(domain)},
    )


def _body(domain: Domain) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema_of(domain.migration.filter)}}}
