"""The migration of adjudications, step by step as the adjudications card, section 5 has it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any

from nomis_pipelines.contracts.adjudications import AdjudicationMigrateDto, MigrateResponse
from nomis_pipelines.contracts.nomis_prisoner import AdjudicationCharge, AdjudicationChargeIdPage
from nomis_pipelines.domains.adjudications.clients import MAPPINGS, AdjudicationCalls, ChargeKey
from nomis_pipelines.domains.adjudications.rebuild import rebuild
from nomis_pipelines.domains.adjudications.transform import transform
from nomis_pipelines.http import Rejected as RefusedByService, ServiceClient, ServiceError
from nomis_pipelines.migration.declaration import Ignored, Item, Migration, MigrationContext, Written
from nomis_pipelines.migration.filters import PrisonDateFilter
from nomis_pipelines.migration.ids import ByPageNumber, IdPage
from nomis_pipelines.migration.partitions import PrisonByMonth

log = logging.getLogger(__name__)

HELD_ALREADY = 406
REPORTED = "reported-only"


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What is sent, and the charge it was made of: should DPS hold it already, its parts are paired with NOMIS's."""

    body: AdjudicationMigrateDto
    charge: AdjudicationCharge


ChargeItem = Item[ChargeKey, AdjudicationCharge, ChargeRequest]


class AdjudicationsFilter(PrisonDateFilter):
    """Which charges: the prisons of their incidents, and the days on which NOMIS recorded them, both included."""


async def charge_ids(nomis: ServiceClient, query: Mapping[str, object], page: int, size: int) -> IdPage[ChargeKey]:
    """One page of charges in the order of incidents (section 3.1)."""
    answer = await nomis.get(
        "/adjudications/charges/ids", AdjudicationChargeIdPage, query={**query, "page": page, "size": size}
    )
    ids = [ChargeKey(row.adjudication_number, row.charge_sequence, row.offender_no) for row in answer.content]
    return IdPage(ids=ids, total=answer.total_elements, size=answer.size)


class AdjudicationsMigration(Migration[ChargeKey, AdjudicationCharge, ChargeRequest]):
    """Disciplinary charges with their hearings and punishments, into the adjudications service.

    A record of NOMIS does not tell when its charge was recorded, only when its incident was: so a run with a free
    filter leaves the partition of its records open.
    """

    name = "adjudications"
    migration_type = "ADJUDICATIONS"
    telemetry_name = "adjudications"
    filter = AdjudicationsFilter
    ids = ByPageNumber(charge_ids)
    partitions = PrisonByMonth(
        "2010-01", "prison_ids", "from_date", "to_date", whole_days=True, moment="recording"
    )  # fmt: skip
    services = ("nomis", "mapping", "adjudications")
    write_service = "adjudications"
    mapping_path = MAPPINGS
    dps_id_field = "chargeNumber"
    # DPS's key is made of NOMIS's: a charge sent twice is refreshed, or refused with 406 and then looked up (section 9)
    idempotent_write = True
    second_conflict_is_done = True

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self._calls = AdjudicationCalls(context.clients)

    def key(self, id: ChargeKey) -> str:
        return str(id)

    def parse_key(self, nomis_key: str) -> ChargeKey:
        return ChargeKey.parse(nomis_key)

    @classmethod
    def message_id(cls, nomis_key: str) -> dict[str, int]:
        return ChargeKey.parse(nomis_key).path

    async def find_mapping(self, id: ChargeKey) -> str | None:
        return await self._calls.find_mapping(id)

    async def read(self, id: ChargeKey) -> AdjudicationCharge:
        return await self._calls.read(id)

    def transform(self, record: AdjudicationCharge, today: date) -> ChargeRequest:
        return ChargeRequest(transform(record, today), record)

    async def write(self, request: ChargeRequest) -> Written:
        """The ids that DPS answers, or those of the charge that it holds already.

        In report mode a refusal is only reported: raises `Ignored` (section 5.5).
        """
        try:
            return self._written(await self._send(request))
        except ServiceError as error:
            status = error.status or 0
            if not self.context.settings.adjudications_report_mode or not 400 <= status < 500:
                raise
            log.warning("in report mode, so passed over: %s", error)
        # raised out here so that the refusal is not its context
        raise Ignored(REPORTED, status=status)

    async def _send(self, request: ChargeRequest) -> MigrateResponse:
        try:
            return await self._calls.migrate(request.body)
        except RefusedByService as refusal:
            if refusal.status != HELD_ALREADY:
                raise
        return await rebuild(self._calls, request.charge)

    def _written(self, answer: MigrateResponse) -> Written:
        charge, punishments = answer.charge_number_mapping, answer.punishment_mappings or []
        without = [each.punishment_id for each in punishments if each.sanction_seq is None]
        if without:
            log.warning("charge %s: punishments %s have no sequence in NOMIS", charge.charge_number, without)
        mapping = self.mapping(ChargeKey(charge.oic_incident_id, charge.offence_sequence), charge.charge_number)
        mapping["hearings"] = [
            {"nomisHearingId": each.oic_hearing_id, "dpsHearingId": str(each.hearing_id)}
            for each in answer.hearing_mappings or []
        ]
        mapping["punishments"] = [
            {
                "nomisBookingId": each.booking_id,
                "nomisSanctionSequence": each.sanction_seq,
                "dpsPunishmentId": str(each.punishment_id),
            }
            for each in punishments
            if each.sanction_seq is not None
        ]
        return Written(dps_id=charge.charge_number, mapping=mapping)

    def mapping(self, id: ChargeKey, dps_id: str) -> dict[str, Any]:
        """The pair of the charge alone: an operator who adopts one knows no more."""
        return {
            "adjudicationId": {**id.path, "chargeNumber": dps_id},
            "hearings": [],
            "punishments": [],
            "label": self.migration_id,
            "mappingType": "MIGRATED",
        }

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        await self._calls.post_mapping(mapping)

    def on_migrated(self, item: ChargeItem) -> None:
        self._tell("migrated", item, chargeNumber=item.dps_id)

    def on_already_mapped(self, item: ChargeItem) -> None:
        self._tell("already-migrated", item)

    def on_ignored(self, item: ChargeItem, ignored: Ignored) -> None:
        self._tell("failed", item, resultCode=result_code(int(ignored.details.get("status") or 0)))

    def _tell(self, what: str, item: ChargeItem, **more: object) -> None:
        charge = item.record
        if charge is None:
            return
        self.telemetry.event(
            f"adjudications-migration-entity-{what}",
            {
                "adjudicationNumber": item.id.adjudication_number,
                "chargeSequence": item.id.charge_sequence,
                "prisonId": charge.incident.prison.code,
                "offenderNo": item.id.offender_no or charge.offender_no,
                "migrationId": self.migration_id,
                **more,
            },
        )


def result_code(status: int) -> str:
    """A status with its name, such as `422 UNPROCESSABLE_ENTITY`."""
    try:
        return f"{status} {HTTPStatus(status).name}"
    except ValueError:
        return str(status)
