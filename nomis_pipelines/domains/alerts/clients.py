"""The calls of alerts: NOMIS, mapping service, alerts service (alerts card, sections 2 to 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.contracts.alerts import (
    CreateAlert,
    CreatedAlert,
    MigrateAlert,
    MigratedAlert,
    ResyncAlert,
    ResyncedAlert,
    UpdateAlert,
)
from nomis_pipelines.contracts.nomis_mapping_service import AlertMapping, PrisonerAlertMappings
from nomis_pipelines.contracts.nomis_prisoner import Alert, PrisonerAlerts, PrisonerDetails
from nomis_pipelines.http import HttpClients
from nomis_pipelines.ledger import RecordKey

DOMAIN = "alerts"
MAPPINGS = "/mapping/alerts"
DPS_ID_FIELD = "dpsAlertId"
DUPLICATE_FIELDS = (DPS_ID_FIELD, "nomisBookingId", "nomisAlertSequence")
"""What duplicate events tell of either pair (sections 5 and 9)."""
_SOURCE = {"Source": "NOMIS"}
"""Keeps the alerts service from sending our own changes back to NOMIS (section 11)."""


@dataclass(frozen=True, slots=True)
class AlertKey:
    """One alert, under the prisoner it was on when its event came: a mapping must name that one too."""

    offender_no: str
    booking_id: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.offender_no}/{self.booking_id}/{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> "AlertKey":
        """From its text. Raises `ValueError`."""
        offender_no, booking_id, sequence = text.split("/")
        return cls(offender_no, int(booking_id), int(sequence))

    @property
    def ledger_key(self) -> RecordKey:
        """Its key in the ledger."""
        return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(self))

    @property
    def prisoner_key(self) -> RecordKey:
        """The key of the prisoner's whole set, as the migration writes it: the bare number, which has no slash."""
        return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=self.offender_no)


def pairs_of(made: Sequence[MigratedAlert | ResyncedAlert]) -> list[dict[str, Any]]:
    """The pairs of a prisoner's set, as the mapping service takes them: of what DPS returned, not of what was sent."""
    return [
        {
            DPS_ID_FIELD: alert.alert_uuid,
            "nomisBookingId": alert.offender_book_id,
            "nomisAlertSequence": alert.alert_seq,
        }
        for alert in made
    ]


class AlertCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client("alerts")

    async def of_prisoner(self, offender_no: str) -> list[Alert]:
        """The alerts of the prisoner's latest booking; none for an unknown prisoner, or one never booked."""
        path = {"offenderNo": offender_no}
        found = await self.nomis.find("/prisoners/{offenderNo}/alerts/to-migrate", PrisonerAlerts, path=path)
        return found.latest_booking_alerts if found is not None else []

    async def read(self, booking_id: int, sequence: int) -> Alert:
        """One alert in NOMIS. Raises `NotFound`."""
        path = {"bookingId": booking_id, "alertSequence": sequence}
        return await self.nomis.get("/prisoners/booking-id/{bookingId}/alerts/{alertSequence}", Alert, path=path)

    async def in_prison(self, offender_no: str) -> bool:
        """Whether the prisoner is in prison now. Raises `NotFound`."""
        path = {"offenderNo": offender_no}
        return (await self.nomis.get("/prisoners/{offenderNo}", PrisonerDetails, path=path)).active

    async def find_mapping(self, booking_id: int, sequence: int) -> AlertMapping | None:
        """The mapping of an alert, if there is one."""
        return await self.mappings.find(
            f"{MAPPINGS}/nomis-booking-id/{{bookingId}}/nomis-alert-sequence/{{alertSequence}}",
            AlertMapping,
            path={"bookingId": booking_id, "alertSequence": sequence},
        )

    async def mappings_of(self, offender_no: str) -> list[AlertMapping]:
        """Every mapping of a prisoner, however it came about."""
        path = {"offenderNo": offender_no}
        found = await self.mappings.find(f"{MAPPINGS}/{{offenderNo}}/all", PrisonerAlertMappings, path=path)
        return found.mappings if found is not None else []

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record one pair. Raises `Conflict`."""
        await self.mappings.post(MAPPINGS, dict(mapping), idempotent=True)

    async def post_mappings(self, mappings: Sequence[Mapping[str, Any]]) -> None:
        """Record pairs of any prisoners. Raises `Conflict`."""
        await self.mappings.post(f"{MAPPINGS}/batch", list(mappings), idempotent=True)

    async def post_prisoner(self, offender_no: str, pairs: Mapping[str, Any]) -> None:
        """Record the pairs of a prisoner that was migrated. Raises `Conflict`."""
        await self.mappings.post(
            f"{MAPPINGS}/{{offenderNo}}/all", dict(pairs), path={"offenderNo": offender_no}, idempotent=True
        )

    async def replace_prisoner(self, offender_no: str, pairs: Mapping[str, Any]) -> None:
        """Put these pairs in the place of all that the prisoner has."""
        await self.mappings.put(f"{MAPPINGS}/{{offenderNo}}/all", dict(pairs), path={"offenderNo": offender_no})

    async def replace_merged(self, offender_no: str, pairs: Mapping[str, Any]) -> None:
        """The same for the prisoner that a merge leaves; those of the number that it took away are forgotten."""
        await self.mappings.put(f"{MAPPINGS}/{{offenderNo}}/merge", dict(pairs), path={"offenderNo": offender_no})

    async def delete_mapping(self, dps_id: str) -> None:
        """Delete the pair of a DPS id; one that is gone already is deleted all the same."""
        await self.mappings.delete(f"{MAPPINGS}/dps-alert-id/{{dpsAlertId}}", path={"dpsAlertId": dps_id})

    async def migrate(self, offender_no: str, alerts: Sequence[MigrateAlert]) -> list[MigratedAlert]:
        """Make all alerts of a prisoner in DPS, also none; what each has become."""
        path = {"prisonNumber": offender_no}
        return await self.dps.post("/migrate/{prisonNumber}/alerts", list(alerts), list[MigratedAlert], path=path)

    async def resynchronise(self, offender_no: str, alerts: Sequence[ResyncAlert]) -> list[ResyncedAlert]:
        """Replace all alerts of a prisoner in DPS; what each has become. Safe to repeat: the last one counts."""
        return await self.dps.post(
            "/resync/{prisonNumber}/alerts",
            list(alerts),
            list[ResyncedAlert],
            path={"prisonNumber": offender_no},
            idempotent=True,
        )

    async def create(self, offender_no: str, body: CreateAlert, username: str) -> str:
        """Make one alert in DPS, in the name of `username`; its id."""
        created = await self.dps.post(
            "/prisoners/{prisonNumber}/alerts",
            body,
            CreatedAlert,
            path={"prisonNumber": offender_no},
            headers={**_SOURCE, "Username": username},
        )
        return created.alert_uuid

    async def update(self, dps_id: str, body: UpdateAlert, username: str) -> None:
        """Bring an alert in DPS up to date, in the name of `username`. Raises `NotFound`."""
        path, headers = {"alertUuid": dps_id}, {**_SOURCE, "Username": username}
        await self.dps.put("/alerts/{alertUuid}", body, path=path, headers=headers)

    async def delete(self, dps_id: str, *, missing_ok: bool = False) -> None:
        """Delete an alert in DPS. Raises `NotFound` unless `missing_ok`."""
        await self.dps.delete("/alerts/{alertUuid}", path={"alertUuid": dps_id}, headers=_SOURCE, missing_ok=missing_ok)
