"""The bulk migration of alerts, a prisoner at a time (alerts card, section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nomis_pipelines.contracts.alerts import MigrateAlert
from nomis_pipelines.contracts.nomis_prisoner import Alert, PrisonerIdPage
from nomis_pipelines.domains.alerts.clients import (
    DOMAIN,
    DPS_ID_FIELD,
    DUPLICATE_FIELDS,
    MAPPINGS,
    AlertCalls,
    AlertKey,
    pairs_of,
)
from nomis_pipelines.domains.alerts.transform import migrate_alert
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.http import Conflict, ServiceClient
from nomis_pipelines.migration.declaration import Item, Migration, MigrationContext, Rejected, Written
from nomis_pipelines.migration.doubts import DoubtError
from nomis_pipelines.migration.filters import DateFilter
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import Whole

MIGRATED = "MIGRATED"
PARTLY_SYNCHRONISED = "partly-synchronised"
"""Why a prisoner is rejected some of whose alerts an event has made in DPS: writing the set would make those twice. The
repair `resynchronise` of the prisoner replaces the set and its mappings, and so settles it."""


class AlertsFilter(DateFilter):
    """Kept in the history and told by telemetry, and otherwise ignored: every prisoner is migrated (section 5)."""


@dataclass(frozen=True, slots=True)
class PrisonerSet:
    """A prisoner's alerts in NOMIS. `synchronised`: booking and sequence of those that events have made in DPS."""

    offender_no: str
    alerts: Sequence[Alert]
    synchronised: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class PrisonerRequest:
    """What is written to DPS for one prisoner; an empty list too."""

    offender_no: str
    alerts: Sequence[MigrateAlert]


AlertsId = str | AlertKey
"""A prisoner's number; or one alert, for what synchronisation left in the ledger and is taken up here."""
AlertsItem = Item[AlertsId, PrisonerSet, PrisonerRequest]


async def prisoner_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[str]:
    """One page of the numbers of all prisoners; the filter is not for NOMIS (section 5)."""
    answer = await nomis.get("/prisoners/ids/all", PrisonerIdPage, query={"page": page, "size": size})
    return IdPage(ids=[row.offender_no for row in answer.content], total=answer.total_elements, size=answer.size)


class AlertsMigration(Migration[AlertsId, PrisonerSet, PrisonerRequest]):
    """The alerts of every prisoner's latest booking, into the alerts service."""

    name = DOMAIN
    migration_type = "ALERTS"
    telemetry_name = "alerts"
    filter = AlertsFilter
    ids = ByPageNumber(prisoner_ids)
    partitions = Whole()
    services = ("nomis", "mapping", "alerts")
    write_service = "alerts"
    mapping_path = MAPPINGS
    migrated_path = f"{MAPPINGS}/migration-id/{{migrationId}}/grouped-by-prisoner"
    dps_id_field = "offenderNo"

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = AlertCalls(context.clients)
        self._synchronised: dict[str, frozenset[tuple[int, int]]] = {}

    def key(self, id: AlertsId) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> AlertsId:
        return AlertKey.parse(nomis_key) if "/" in nomis_key else nomis_key

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, str]:
        return {"offenderNo": nomis_key.partition("/")[0]}

    async def find_mapping(self, id: AlertsId) -> str | None:
        """A prisoner counts as done with one migrated mapping, or when every alert in NOMIS has a mapping.

        The second is asked only of prisoners that events came to first. Such a one with an alert that has none is
        remembered for `read`, so that the set is not written beside what the events made.
        """
        if isinstance(id, AlertKey):
            mapping = await self._calls.find_mapping(id.booking_id, id.sequence)
            return mapping.dps_alert_id if mapping is not None else None
        mappings = await self._calls.mappings_of(id)
        if not mappings:
            return None
        if any(mapping.mapping_type == MIGRATED for mapping in mappings):
            return id
        mapped = frozenset((mapping.nomis_booking_id, mapping.nomis_alert_sequence) for mapping in mappings)
        if all((alert.booking_id, alert.alert_sequence) in mapped for alert in await self._calls.of_prisoner(id)):
            return id
        self._synchronised[id] = mapped
        return None

    async def read(self, id: AlertsId) -> PrisonerSet:
        offender_no = _prisoner(id)
        alerts = await self._calls.of_prisoner(offender_no)
        return PrisonerSet(offender_no, alerts, self._synchronised.pop(offender_no, frozenset()))

    def transform(self, record: PrisonerSet, today: date) -> PrisonerRequest:
        if record.synchronised:
            unmapped = [a for a in record.alerts if (a.booking_id, a.alert_sequence) not in record.synchronised]
            raise Rejected(PARTLY_SYNCHRONISED, mapped=len(record.synchronised), notMapped=len(unmapped))
        return PrisonerRequest(record.offender_no, [migrate_alert(alert) for alert in record.alerts])

    async def write(self, request: PrisonerRequest) -> Written:
        pairs = pairs_of(await self._calls.migrate(request.offender_no, request.alerts))
        mapping = {
            "offenderNo": request.offender_no,
            "label": self.migration_id,
            "mappingType": MIGRATED,
            "mappings": pairs,
        }
        return Written(dps_id=request.offender_no if pairs else "", mapping=mapping)

    def maps_nothing(self, request: PrisonerRequest) -> bool:
        return not request.alerts

    def mapping(self, id: AlertsId, dps_id: str) -> dict[str, Any]:
        """The pair of one alert that an event made, for one in doubt that is found in DPS.

        Raises `DoubtError` for a prisoner: which alert became which, only the answer that was lost could tell.
        """
        if not isinstance(id, AlertKey):
            raise DoubtError(
                f"the alerts of {id} cannot be adopted by one id: run the repair resynchronise of the prisoner, "
                "which replaces what DPS has and settles the doubt"
            )
        return {
            DPS_ID_FIELD: dps_id,
            "nomisBookingId": id.booking_id,
            "nomisAlertSequence": id.sequence,
            "offenderNo": id.offender_no,
            "mappingType": MIGRATED,
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        if "mappings" not in mapping:  # of one alert, whose event could not record it
            await self._calls.post_mapping(mapping)
            return
        pairs = {name: value for name, value in mapping.items() if name != "offenderNo"}
        await self._calls.post_prisoner(mapping["offenderNo"], pairs)

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """The mapping service shows one pair of the set that it has already."""
        ours: Sequence[Mapping[str, Any]] = mapping.get("mappings", [mapping])
        return any(all(str(pair[name]) == str(existing.get(name)) for name in DUPLICATE_FIELDS) for pair in ours)

    def existing_dps_id(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> str:
        """Of a set it is the prisoner's number on both sides: no single alert of it could be deleted as surplus."""
        return str(mapping[self.dps_id_field] if "mappings" in mapping else existing.get(DPS_ID_FIELD))

    def on_migrated(self, item: AlertsItem) -> None:
        assert item.mapping is not None  # noqa: S101  # told of what was written, and so has one
        self.telemetry.event(
            "alerts-migration-entity-migrated",
            {
                "offenderNo": item.mapping["offenderNo"],
                "migrationId": self.migration_id,
                "alertCount": len(item.mapping["mappings"]),
            },
        )

    def on_duplicate(self, item: AlertsItem, conflict: Conflict, minutes: int) -> None:
        self.telemetry.event(
            "nomis-migration-alerts-duplicate",
            {
                "offenderNo": _prisoner(item.id),
                "migrationId": self.migration_id,
                **duplicate_properties(conflict.duplicate, conflict.existing, *DUPLICATE_FIELDS),
                "durationMinutes": minutes,
            },
        )


def _prisoner(id: AlertsId) -> str:
    return id.offender_no if isinstance(id, AlertKey) else id
