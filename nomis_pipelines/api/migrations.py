"""History, progress, cancel, refresh and dead letters, as today's clients call them (platform card, section 3.4)."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from nomis_pipelines.api import operations
from nomis_pipelines.api.auth import Principal
from nomis_pipelines.api.context import ApiContext, Context, may_operate, require
from nomis_pipelines.api.errors import ApiError, Forbidden, not_found
from nomis_pipelines.api.models import ActiveMigration, DeadLetterList, HistoryRow
from nomis_pipelines.api.reading import IdPath, TypePath, local_time, migration_id_of, plain_text
from nomis_pipelines.api.roles import ANY_DOMAIN_ROLES, migration_roles
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.ledger import MigrationRow


class HistoryQuery:
    """The query variables of a history, read: which migrations are wanted."""

    def __init__(
        self,
        from_time: Annotated[str | None, Query(alias="fromDateTime", description="Started then or later")] = None,
        to_time: Annotated[str | None, Query(alias="toDateTime", description="Started then or earlier")] = None,
        only_failures: Annotated[bool, Query(alias="includeOnlyFailures", description="Those with failures")] = False,
        prison_id: Annotated[str | None, Query(alias="prisonId", description="Those of exactly that prison")] = None,
    ) -> None:
        self.from_time = local_time("fromDateTime", from_time)
        self.to_time = local_time("toDateTime", to_time)
        self.only_failures = only_failures
        self.prison_id = plain_text("prisonId", prison_id)

    async def rows(self, context: ApiContext, migration_type: str) -> list[HistoryRow]:
        """The rows of a type that are wanted, newest first."""
        found = await context.platform.ledger.history(
            migration_type,
            from_=self.from_time,
            to=self.to_time,
            only_failures=self.only_failures,
            prison_id=self.prison_id,
        )
        return [HistoryRow.of(row) for row in found]


Wanted = Annotated[HistoryQuery, Depends()]


async def row_of(context: ApiContext, who: Principal, migration_id: str) -> tuple[Domain | None, MigrationRow]:
    """The migration of an id and its domain. 404 for an unknown id, 403 for a domain the caller may not operate.

    Rows of the service that went before us may be of a type that no domain has here.
    """
    row = await context.platform.ledger.migration(migration_id_of(migration_id))
    if row is None:
        raise not_found(migration_id)
    domain = next((each for each in context.domains if each.migration.migration_type == row.migration_type), None)
    if domain is not None:
        may_operate(who, domain)
    elif not who.roles & ANY_DOMAIN_ROLES:
        raise Forbidden
    return domain, row


async def operable(context: ApiContext, who: Principal, migration_id: str) -> tuple[Domain, MigrationRow]:
    """The same, for a migration that shall be changed: 400 when no domain here has its type."""
    domain, row = await row_of(context, who, migration_id)
    if domain is None:
        raise ApiError(400, f"Migration {migration_id} is of {row.migration_type}, which no domain here migrates")
    return domain, row


def migration_routes(domains: Sequence[Domain]) -> APIRouter:
    """The endpoints common to all domains."""
    caller = require(migration_roles(domains))
    # on the router too, so that it is asked for before anything else of a request is looked at
    router = APIRouter(prefix="/migrate", tags=["migrations"], dependencies=[caller])
    _add_history(router, caller)
    _add_actions(router, caller)
    _add_dead_letters(router, caller)
    return router


def _add_history(router: APIRouter, caller: Any) -> None:
    @router.get("/history/all/{migrationType}", summary="The migrations of a type, newest first")
    async def all_of_type(
        migration_type: TypePath, context: Context, wanted: Wanted, who: Principal = caller
    ) -> list[HistoryRow]:
        domain = context.domain_of_type(migration_type)
        may_operate(who, domain)
        return await wanted.rows(context, migration_type)

    @router.get("/history/{migrationId}", summary="One migration")
    async def one(migration_id: IdPath, context: Context, who: Principal = caller) -> HistoryRow:
        return HistoryRow.of((await row_of(context, who, migration_id))[1])

    @router.get("/history/active/{migrationType}", summary="How far the newest migration of a type is")
    async def active(migration_type: TypePath, context: Context, who: Principal = caller) -> ActiveMigration:
        domain = context.domain_of_type(migration_type)
        may_operate(who, domain)
        return await operations.active(context, domain)


def _add_actions(router: APIRouter, caller: Any) -> None:
    @router.post("/cancel/{migrationId}", status_code=202, response_class=Response, summary="Ask a migration to stop")
    async def cancel(migration_id: IdPath, context: Context, who: Principal = caller) -> Response:
        domain, _ = await operable(context, who, migration_id)
        await operations.cancel(context, domain, migration_id, who.name)
        return Response(status_code=202)

    @router.post(
        "/refresh/{migrationId}", status_code=204, response_class=Response, summary="Count a completed migration anew"
    )
    async def refresh(migration_id: IdPath, context: Context, who: Principal = caller) -> Response:
        domain, row = await operable(context, who, migration_id)
        await operations.refresh(context, domain, row)
        return Response(status_code=204)


def _add_dead_letters(router: APIRouter, caller: Any) -> None:
    path = "/dead-letter-queue/{migrationType}"

    @router.get(path, summary="Records that failed, were rejected or are in doubt", response_model_exclude_none=True)
    async def listing(migration_type: TypePath, context: Context, who: Principal = caller) -> DeadLetterList:
        domain = context.domain_of_type(migration_type)
        may_operate(who, domain)
        return await operations.dead_letters(context, domain)

    @router.get(f"{path}/count", summary="How many there are")
    async def count(migration_type: TypePath, context: Context, who: Principal = caller) -> int:
        domain = context.domain_of_type(migration_type)
        may_operate(who, domain)
        return await context.platform.ledger.count_unsettled(domain.name)

    @router.delete(path, status_code=204, response_class=Response, summary="Dismiss those that failed or were rejected")
    async def dismiss(migration_type: TypePath, context: Context, who: Principal = caller) -> Response:
        domain = context.domain_of_type(migration_type)
        may_operate(who, domain)
        await operations.dismiss(context, domain, who.name)
        return Response(status_code=204)
