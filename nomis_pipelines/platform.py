"""The connections of one process or run: HTTP clients, ledger, telemetry and audit, opened and closed together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Self

from nomis_pipelines.http import HttpClients
from nomis_pipelines.observability import Audit, Telemetry, build_telemetry
from nomis_pipelines.settings import Settings

if TYPE_CHECKING:
    from nomis_pipelines.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What every engine works with. Lives on one event loop."""

    settings: Settings
    clients: HttpClients
    ledger: "Ledger"
    telemetry: Telemetry
    audit: Audit

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, *, patience_seconds: float = 60.0) -> AsyncGenerator[Self]:
        """Connect, and close everything at the end. Raises `LedgerUnavailable` or `SchemaOutOfDate`.

        `patience_seconds` is how long the ledger's database may be away before those who wait for it are told.
        """
        from nomis_pipelines.ledger import Ledger

        async with AsyncExitStack() as stack:
            telemetry = build_telemetry(settings)
            stack.callback(telemetry.close)
            ledger = await Ledger.open(
                settings.database_url,
                commit_milliseconds=settings.commit_milliseconds,
                patience_seconds=patience_seconds,
            )
            stack.push_async_callback(ledger.aclose)
            clients = await stack.enter_async_context(HttpClients(settings))
            yield cls(settings=settings, clients=clients, ledger=ledger, telemetry=telemetry, audit=Audit(settings))

    def today(self) -> date:
        """The day in Europe/London, or the one that `NOMIS_PIPELINES_TODAY` sets."""
        return self.settings.london_today()

    @staticmethod
    def now() -> datetime:
        """This instant, in UTC."""
        return datetime.now(UTC)
