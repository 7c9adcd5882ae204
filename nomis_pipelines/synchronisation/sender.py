"""Sending internal messages to our own queues (platform card, section 4.6)."""

from collections.abc import Mapping

from nomis_pipelines.observability import Telemetry, format_value
from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation.envelope import internal_message
from nomis_pipelines.synchronisation.sqs import MAX_DELAY_SECONDS, Sqs

EVENT_TYPE_PREFIX = "prisoner-from-nomis-synchronisation-"


class QueueSender:
    """Puts internal messages on queues by queue id, and tells telemetry."""

    def __init__(self, sqs: Sqs, settings: Settings, telemetry: Telemetry) -> None:
        self._sqs = sqs
        self._settings = settings
        self._telemetry = telemetry

    async def send_internal(
        self,
        queue_id: str,
        type: str,
        body: object,
        telemetry_attributes: Mapping[str, object | None] | None = None,
        delay_seconds: int = 0,
    ) -> str:
        """Send `body` (a pydantic model or JSON value) as internal message `type`; the SQS message id.

        Attributes become text as in telemetry, empty ones are left out. Raises `QueueError`, `SettingError`.
        """
        if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
            raise ValueError(f"a message can be delayed by 0 to {MAX_DELAY_SECONDS} seconds, not {delay_seconds}")
        attributes = {k: format_value(v) for k, v in (telemetry_attributes or {}).items() if v is not None}
        event_type = {"eventType": {"DataType": "String", "StringValue": EVENT_TYPE_PREFIX + type}}
        queue = self._sqs.queue(self._settings.queue(queue_id).queue_name)
        text = internal_message(type, body, attributes)
        message_id = await queue.send(text, event_type, delay_seconds=delay_seconds)
        self._telemetry.event(type, {"messageId": message_id})
        return message_id
