"""Audit events: who started or stopped a migration, sent to the SQS queue `audit` (platform card, section 7)."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from nomis_pipelines.settings import Settings

QUEUE_ID = "audit"
SERVICE = "hmpps-prisoner-from-nomis-migration"

_logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Audit:
    """Sends the two audit events. Nothing here ever raises: a lost audit event is logged, the migration goes on."""

    def __init__(self, settings: Settings, *, now: Callable[[], datetime] = _now) -> None:
        self._settings = settings
        self._now = now
        self._warned = False

    async def migration_started(
        self, *, migration_type: str, migration_id: str, filter: Mapping[str, object | None], who: str
    ) -> None:
        """`who` started a migration. `filter` is by JSON name; its `None` values are left out."""
        fields = {key: value for key, value in filter.items() if value is not None}
        await self._send("MIGRATION_STARTED", migration_type, migration_id, who, {"filter": fields})

    async def migration_cancel_requested(self, *, migration_type: str, migration_id: str, who: str) -> None:
        """`who` asked for a migration to be cancelled."""
        await self._send("MIGRATION_CANCEL_REQUESTED", migration_type, migration_id, who, {})

    async def _send(
        self, what: str, migration_type: str, migration_id: str, who: str, more: Mapping[str, object]
    ) -> None:
        details = {"migrationType": migration_type, "migrationId": migration_id, **more}
        if not self._settings.has_queue(QUEUE_ID):
            self._without_queue(what, migration_type, migration_id, who)
            return
        event = {
            "what": what,
            "when": self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "who": who,
            "service": SERVICE,
            "details": to_json(details).decode(),
        }
        try:
            await self._deliver(to_json(event).decode())
        except Exception:
            _logger.exception("audit event lost: %s %s %s by %s", what, migration_type, migration_id, who)

    def _without_queue(self, what: str, migration_type: str, migration_id: str, who: str) -> None:
        if not self._warned:
            self._warned = True
            _logger.warning("audit events go to the log only: HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME is not set")
        _logger.info("audit event: %s %s %s by %s", what, migration_type, migration_id, who)

    async def _deliver(self, body: str) -> None:
        # a client for each event: there are two a migration, and an idle connection for hours would not survive
        import aioboto3
        from aiobotocore.config import AioConfig

        client: Any = aioboto3.Session().client(
            "sqs",
            region_name=self._settings.aws_region,
            endpoint_url=self._settings.sqs_endpoint_url,
            config=AioConfig(connect_timeout=5, read_timeout=5, retries={"max_attempts": 3, "mode": "standard"}),
        )
        async with client as sqs:
            queue = await sqs.get_queue_url(QueueName=self._settings.queue(QUEUE_ID).queue_name)
            await sqs.send_message(
                QueueUrl=queue["QueueUrl"],
                MessageBody=body,
                MessageAttributes={"eventType": {"DataType": "String", "StringValue": "hmpps-audit-event"}},
            )
