"""A prisoner's whole set of alerts sent again: after a merge, a move, an admission, by hand (alerts card, 7.5 to 7.8).

Empty lists are meaningful: they clear DPS and the mappings, and are sent like any other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nomis_pipelines.contracts.nomis_prisoner import Alert
from nomis_pipelines.domains.alerts.clients import DOMAIN, DPS_ID_FIELD, AlertCalls, AlertKey, pairs_of
from nomis_pipelines.domains.alerts.transform import resync_alert
from nomis_pipelines.http import ServiceError
from nomis_pipelines.synchronisation import SyncContext, settle_replaced

QUEUE = "eventalerts"
RETRY_REPLACE = "RETRY_RESYNCHRONISATION_MAPPING_BATCH"
RETRY_MERGED = "RETRY_RESYNCHRONISATION_MERGED_MAPPING_BATCH"
MOVE_TARGET = "RESYNCHRONISE_MOVE_BOOKING_TARGET"
ACTED_ON = frozenset({"READMISSION_SWITCH_BOOKING", "NEW_ADMISSION"})
"""The reasons of a received event that bring a new latest booking (section 7.7)."""

Json = dict[str, Any]
Properties = Mapping[str, object]


class PrisonerWork:
    """Merge, move, received and repair, for whatever asks for them. Errors of NOMIS and DPS are raised."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._calls = AlertCalls(context.clients)

    async def merge(self, retained: str, removed: str, booking_id: int) -> None:
        """Section 7.5. The removed number is cleared first: its alerts would be there twice otherwise."""
        alerts = await self._calls.of_prisoner(retained)
        await self._calls.resynchronise(removed, [])
        pairs = await self._resynchronise(retained, alerts)
        properties = {
            "offenderNo": retained,
            "bookingId": booking_id,
            "removedOffenderNo": removed,
            **_told_of(alerts),
        }
        mappings = {"removedOffenderNo": removed, "prisonerMapping": pairs}
        await self._replace(RETRY_MERGED, self._put_merged, retained, mappings, properties)
        self._tell("from-nomis-synch-alerts-merge", properties)

    async def move(self, booking_id: int, which: str, offender_no: str) -> None:
        """Section 7.6, for the prisoner that a booking was moved from, or to."""
        properties = {"bookingId": booking_id, "whichPrisoner": which, "offenderNo": offender_no}
        told = await self._replace_all(offender_no, properties)
        self._tell("from-nomis-synch-alerts-booking-moved", told)

    async def move_target(self, booking_id: int, which: str, offender_no: str) -> None:
        """Section 7.6, step 3: for one who is in prison the received event does the work."""
        if not await self._calls.in_prison(offender_no):
            await self.move(booking_id, which, offender_no)
            return
        properties = {"bookingId": booking_id, "whichPrisoner": which, "offenderNo": offender_no}
        self._tell("from-nomis-synch-alerts-booking-moved-ignored", properties)

    async def received(self, offender_no: str, reason: str) -> None:
        """Section 7.7."""
        if reason in ACTED_ON:
            await self.resynchronise(offender_no)
        else:
            properties = {"offenderNo": offender_no, "receiveReason": reason}
            self._tell("from-nomis-synch-alerts-resynchronise-ignored", properties)

    async def resynchronise(self, offender_no: str) -> None:
        """Section 7.7, first row."""
        told = await self._replace_all(offender_no, {"offenderNo": offender_no})
        self._tell("from-nomis-synch-alerts-resynchronise", told)

    async def retry_replace(self, offender_no: str, pairs: Json, attributes: Properties) -> None:
        """Section 7.8: only the mappings are put. Raises what a refusal of the mapping service raises."""
        await self._put(offender_no, pairs)
        self._tell("alert-mapping-replace-success", attributes)

    async def retry_merged(self, offender_no: str, mappings: Json, attributes: Properties) -> None:
        """Section 7.8: the same after a merge."""
        await self._put_merged(offender_no, mappings)
        self._tell("alert-mapping-replace-success", attributes)

    async def _replace_all(self, offender_no: str, properties: Properties) -> Properties:
        """Read NOMIS, replace DPS, replace the mappings; the properties with what was sent."""
        alerts = await self._calls.of_prisoner(offender_no)
        pairs = await self._resynchronise(offender_no, alerts)
        told = {**properties, **_told_of(alerts)}
        await self._replace(RETRY_REPLACE, self._put, offender_no, pairs, told)
        return told

    async def _resynchronise(self, offender_no: str, alerts: Sequence[Alert]) -> Json:
        made = await self._calls.resynchronise(offender_no, [resync_alert(alert) for alert in alerts])
        return {"mappingType": "NOMIS_CREATED", "mappings": pairs_of(made)}

    async def _replace(
        self,
        retry: str,
        put: Callable[[str, Json], Awaitable[None]],
        offender_no: str,
        mappings: Json,
        properties: Properties,
    ) -> None:
        """Put the mappings; a refusal is left to the retry message, since DPS has been written."""
        try:
            await put(offender_no, mappings)
        except ServiceError:
            body = {"offenderNo": offender_no, "prisonerMappings": mappings}
            attributes = {name: str(value) for name, value in properties.items()}
            await self._context.queues.send_internal(QUEUE, retry, body, attributes)

    async def _put(self, offender_no: str, pairs: Json) -> None:
        await self._calls.replace_prisoner(offender_no, pairs)
        await settle_replaced(self._context, DOMAIN, _settled(offender_no, pairs))

    async def _put_merged(self, offender_no: str, mappings: Json) -> None:
        await self._calls.replace_merged(offender_no, mappings)
        settled = _settled(offender_no, mappings["prisonerMapping"])
        await settle_replaced(self._context, DOMAIN, {**settled, mappings["removedOffenderNo"]: ""})

    def _tell(self, name: str, properties: Properties) -> None:
        self._context.telemetry.event(name, properties)


def _settled(offender_no: str, pairs: Json) -> dict[str, str]:
    """The DPS id of the prisoner's record in the ledger, and of each alert's, after its set has been replaced."""
    made: list[Json] = pairs["mappings"]
    alerts = {
        str(AlertKey(offender_no, pair["nomisBookingId"], pair["nomisAlertSequence"])): pair[DPS_ID_FIELD]
        for pair in made
    }
    return {offender_no: offender_no if made else "", **alerts}


def _told_of(alerts: Sequence[Alert]) -> dict[str, object]:
    """What was sent to DPS (section 7.5)."""
    return {"alertsCount": len(alerts), "alerts": ", ".join(str(alert.alert_sequence) for alert in alerts)}
