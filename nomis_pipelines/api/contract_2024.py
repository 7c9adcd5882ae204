"""The paths of 2024, as aliases of today's handlers (platform card, section 3.8)."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from nomis_pipelines.api import operations
from nomis_pipelines.api.auth import Principal
from nomis_pipelines.api.context import Context, require
from nomis_pipelines.api.errors import not_found
from nomis_pipelines.api.migrations import Wanted, row_of
from nomis_pipelines.api.models import ActiveMigration, HistoryRow
from nomis_pipelines.api.reading import IdPath, plain_text
from nomis_pipelines.api.roles import HISTORY_ROLE, domain_roles
from nomis_pipelines.domains.declaration import Domain


def routes_2024(domains: Sequence[Domain]) -> APIRouter:
    """The endpoints of each domain that was there in 2024, and the history of all types."""
    router = APIRouter()
    for domain in domains:
        if domain.paths.in_2024:
            router.include_router(_of_domain(domain, domain.paths.in_2024))
    router.include_router(_history_of_all())
    return router


def _of_domain(domain: Domain, segment: str) -> APIRouter:
    caller = require(domain_roles(domain))
    router = APIRouter(prefix=f"/migrate/{segment}", tags=["2024"], dependencies=[caller])
    migration_type, title = domain.migration.migration_type, domain.title.lower()

    async def known(context: Context, who: Principal, migration_id: str) -> HistoryRow:
        _, row = await row_of(context, who, migration_id)
        if row.migration_type != migration_type:
            raise not_found(migration_id)
        return HistoryRow.of(row)

    async def history(context: Context, wanted: Wanted) -> list[HistoryRow]:
        return await wanted.rows(context, migration_type)

    async def one(migration_id: IdPath, context: Context, who: Principal = caller) -> HistoryRow:
        return await known(context, who, migration_id)

    async def cancel(migration_id: IdPath, context: Context, who: Principal = caller) -> Response:
        await known(context, who, migration_id)
        await operations.cancel(context, domain, migration_id, who.name)
        return Response(status_code=202)

    async def active(context: Context) -> ActiveMigration:
        return await operations.active(context, domain)

    def add(method: str, path: str, endpoint: Any, summary: str, **options: Any) -> None:
        operation = f"{endpoint.__name__}_{domain.name}_2024"
        router.add_api_route(path, endpoint, methods=[method], summary=summary, operation_id=operation, **options)

    add("GET", "/history", history, f"The migrations of {title}, newest first")
    add("GET", "/history/{migrationId}", one, f"One migration of {title}")
    add(
        "POST",
        "/{migrationId}/cancel",
        cancel,
        f"Ask a migration of {title} to stop",
        status_code=202,
        response_class=Response,
    )
    add("GET", "/active-migration", active, f"How far the newest migration of {title} is")
    return router


def _history_of_all() -> APIRouter:
    router = APIRouter(tags=["2024"], dependencies=[require(frozenset({HISTORY_ROLE}))])

    @router.get("/history", summary="The migrations of all types, or of some")
    async def history_of_all(
        context: Context,
        wanted: Wanted,
        types: Annotated[list[str] | None, Query(alias="migrationTypes")] = None,
        filter_contains: Annotated[str | None, Query(alias="filterContains")] = None,
    ) -> list[HistoryRow]:
        asked = [part for text in types or () for part in text.split(",") if part]
        rows = await context.platform.ledger.history(
            [context.domain_of_type(each).migration.migration_type for each in asked],
            from_=wanted.from_time,
            to=wanted.to_time,
            only_failures=wanted.only_failures,
            filter_contains=plain_text("filterContains", filter_contains),
        )
        return [HistoryRow.of(row) for row in rows]

    @router.delete("/history", status_code=204, summary="Clear the history; the rows of running migrations stay")
    async def clear_history(context: Context) -> Response:
        await context.platform.ledger.delete_history(ended_only=True)
        return Response(status_code=204)

    return router
