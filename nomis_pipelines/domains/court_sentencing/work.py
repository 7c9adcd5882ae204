"""What the handlers of court sentencing share: calls, telemetry around work, creates and mappings (card, 7.3, 7.4)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import BeforeValidator

from nomis_pipelines.domains.court_sentencing.dps import DpsCalls
from nomis_pipelines.domains.court_sentencing.entities import CASE, NOMIS_CREATED, CourtKey, Entity
from nomis_pipelines.domains.court_sentencing.mappings import MappingCalls
from nomis_pipelines.domains.court_sentencing.migration import with_empty_lists
from nomis_pipelines.domains.court_sentencing.nomis import NomisCalls
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.http import ServiceError
from nomis_pipelines.observability import format_value
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Create,
    Created,
    Duplicate,
    EventBody,
    HandlerError,
    Redeliver,
    SyncContext,
    create_once,
    require_settled,
)
from nomis_pipelines.synchronisation.failures import shown_text

QUEUE = "eventcourtsentencing"
SWITCH_DOMAIN = "courtsentencing"
REDELIVERY_SECONDS = (1, 1, 1, 1, 1, 1, 5, 5, 60, 1, 1, 1, 1, 1, 1, 5, 5, 60)
"""Short on purpose: parents and children arrive together, and children wait for their parents by failing (7.1)."""
FROM_DPS = "DPS_SYNCHRONISATION"

Told = dict[str, object]
"""The properties of an event, gathered as the work goes on; a None is told as `null`."""

log = logging.getLogger(__name__)

NullableId = Annotated[int | None, BeforeValidator(lambda value: None if value == "null" else value)]
"""A number that may be missing, or come as the text `null` (section 7.1)."""


class CourtEventBody(EventBody):
    """What all events of NOMIS have but the merge; numbers may come as text."""

    audit_module_name: str | None = None

    @property
    def from_dps(self) -> bool:
        """Whether the change began in DPS."""
        return (self.audit_module_name or "").startswith(FROM_DPS)


class CourtWork:
    """Base of the work on one kind of record."""

    def __init__(self, context: SyncContext) -> None:
        self.context = context
        self.nomis = NomisCalls(context.clients)
        self.mappings = MappingCalls(context.clients)
        self.dps = DpsCalls(context.clients, context.settings)

    def tell(self, name: str, told: Mapping[str, object]) -> None:
        """Send an event."""
        self.context.telemetry.event(name, texts(told))

    @asynccontextmanager
    async def errors_tracked(self, name: str, told: Told) -> AsyncGenerator[None]:
        """Tell `<name>-error` of anything that is raised, but for a wait for another process."""
        try:
            yield
        except Redeliver:
            raise
        except Exception as error:
            self.tell(f"{name}-error", {**told, "error": shown_text(error)})
            raise

    @asynccontextmanager
    async def tracked(self, name: str, told: Told) -> AsyncGenerator[None]:
        """The same, and `<name>-success` when all went well."""
        async with self.errors_tracked(name, told):
            yield
        self.tell(f"{name}-success", told)

    async def create(
        self, entity: Entity, offender_no: str, ids: tuple[int, ...], write: Callable[[], Awaitable[str]]
    ) -> Created | Duplicate | AlreadyMapped[str]:
        """Make a record in DPS, once, and record its mapping; then call `settle`."""

        def mapping_of(dps_id: str) -> dict[str, Any]:
            pair = entity.pair(ids, dps_id, NOMIS_CREATED)
            return with_empty_lists(pair) if entity is CASE else pair

        return await create_once(
            self.context,
            Create(
                key=CourtKey.of(offender_no, entity, ids).ledger_key,
                client=self.dps.client,
                find_mapping=lambda: self.mappings.find(entity, *ids),
                write=write,
                dps_id_of=str,
                mapping_of=mapping_of,
                post_mapping=lambda pair: self.mappings.post(entity, pair),
                dps_field=entity.dps_field,
            ),
        )

    async def settle(self, entity: Entity, result: Created | Duplicate, told: Told) -> None:
        """Tell of a duplicate; leave a mapping that was refused to the retry message, with what has been told."""
        if isinstance(result, Duplicate):
            self.tell(
                entity.duplicate, duplicate_properties(result.duplicate, result.existing, *entity.duplicate_fields)
            )
        elif result.mapping_failed:
            await self.context.queues.send_internal(QUEUE, entity.retry, result.mapping, texts(told))
            told["mapping"] = "initial-failure"

    async def require_settled(self, offender_no: str, entity: Entity, *ids: int) -> None:
        """Raises `HandlerError` while a create of the record is not settled: nothing may be passed over meanwhile."""
        await require_settled(self.context, CourtKey.of(offender_no, entity, ids).ledger_key)

    async def delete_mapping_patiently(self, entity: Entity, dps_id: str) -> None:
        """Delete the mapping of a sentence or term, again and again if need be: NOMIS uses their sequences at once.

        One that cannot be deleted is told of and logged: it must be deleted by hand (section 7.9).
        """
        retries = self.context.settings.court_sentencing_mapping_retries
        pause = self.context.settings.court_sentencing_mapping_pause_milliseconds / 1000
        for left in range(retries, -1, -1):
            try:
                await self.mappings.delete(entity, dps_id)
            except ServiceError as error:
                if left == 0:
                    kind = "sentence" if entity.name == "sentence" else "sentence-term"
                    self.tell(f"{kind}-mapping-deleted-failed", {entity.dps_field: dps_id})
                    log.warning("the mapping of DPS %s %s must be deleted by hand: %s", kind, dps_id, error)
                    return
                await asyncio.sleep(pause)
            else:
                return


def texts(told: Mapping[str, object]) -> dict[str, str]:
    """Properties as text; None is `null` (section 7.3)."""
    return {name: format_value(value) for name, value in told.items()}


def needed(value: int | None, what: str) -> int:
    """An id that NOMIS may leave out and this work cannot do without. Raises `HandlerError`."""
    if value is None:
        raise HandlerError(f"{what}, so there is nothing to put it under in DPS")
    return value
