"""The calls of CSIP: NOMIS, mapping service, CSIP service (CSIP card, sections 2 to 4)."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from nomis_pipelines.contracts.csip import DeletedCsip, MovedCsips, SyncCsip, SyncedCsip
from nomis_pipelines.contracts.nomis_mapping_service import CsipChildMapping, CsipFullMapping, CsipReportMapping
from nomis_pipelines.contracts.nomis_prisoner import CsipId, CsipReport
from nomis_pipelines.domains.csip.parts import (
    DPS_ID_FIELD,
    NOMIS_ID_FIELD,
    PARTS_ONLY,
    KnownParts,
    record_of,
)
from nomis_pipelines.http import Conflict, HttpClients, InvalidAnswer, Rejected

MAPPINGS = "/mapping/csip"
RECORDS = "/sync/csip-records"
_OF_DPS_ID = f"{MAPPINGS}/dps-csip-id/{{dpsCSIPReportId}}/all"
_BAD_REQUEST = 400

log = logging.getLogger(__name__)


class CsipCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client("csip")

    async def read(self, report_id: int) -> CsipReport:
        """A report in NOMIS with all its parts. Raises `NotFound`."""
        return await self.nomis.get("/csip/{csipId}", CsipReport, path={"csipId": report_id})

    async def of_booking(self, booking_id: int) -> list[int]:
        """The ids of the reports of a booking. Raises `NotFound` for an unknown booking."""
        found = await self.nomis.get("/csip/booking/{bookingId}", list[CsipId], path={"bookingId": booking_id})
        return [each.csip_id for each in found]

    async def find_mapping(self, report_id: int) -> str | None:
        """The DPS id of a report, if it is mapped (M1)."""
        template = f"{MAPPINGS}/nomis-csip-id/{{{NOMIS_ID_FIELD}}}"
        found = await self.mappings.find(template, CsipReportMapping, path={NOMIS_ID_FIELD: report_id})
        return None if found is None else found.dps_csip_report_id

    async def dps_ids_of(self, report_ids: Sequence[int]) -> list[str]:
        """The DPS ids of some reports (M2). Raises `NotFound` when one of them is not mapped."""
        query = {"nomisCSIPId": list(report_ids)}
        found = await self.mappings.get(f"{MAPPINGS}/nomis-csip-id", list[CsipReportMapping], query=query)
        return [pair.dps_csip_report_id for pair in found]

    async def known_parts(self, dps_id: str) -> KnownParts:
        """Which parts of a record are mapped (M3); none where the mapping service knows nothing of it."""
        return KnownParts(await self.mappings.find(_OF_DPS_ID, CsipFullMapping, path={DPS_ID_FIELD: dps_id}))

    async def find_factor(self, factor_id: int) -> CsipChildMapping | None:
        """The mapping of a factor, if there is one (M7)."""
        template = f"{MAPPINGS}/factors/nomis-csip-factor-id/{{nomisCSIPFactorId}}"
        return await self.mappings.find(template, CsipChildMapping, path={"nomisCSIPFactorId": factor_id})

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record a report with its parts (M4); ours, recorded by a call whose answer was lost, is recorded.

        Raises `Conflict` when another pair is there.
        """
        try:
            await self.mappings.post(f"{MAPPINGS}/all", dict(mapping), idempotent=True)
        except Conflict as conflict:
            if conflict.existing is None or not is_same_report(mapping, conflict.existing):
                raise

    async def post_parts(self, mapping: Mapping[str, Any]) -> None:
        """Record further parts of a report (M5), as `post_mapping`. Raises `Conflict`.

        The 409 shows no parts, so the mapping service is asked whether these are the ones that it has.
        """
        pairs = {name: value for name, value in mapping.items() if name != PARTS_ONLY}
        try:
            await self.mappings.post(f"{MAPPINGS}/children/all", pairs, idempotent=True)
        except Conflict as conflict:
            known = await self.known_parts(mapping[DPS_ID_FIELD])
            if not known.hold(mapping):
                raise conflict from None

    async def delete_mapping(self, dps_id: str) -> None:
        """Forget a report and its parts (M6). Raises `NotFound`."""
        await self.mappings.delete(_OF_DPS_ID, path={DPS_ID_FIELD: dps_id})

    async def create(self, body: SyncCsip) -> tuple[str, SyncedCsip]:
        """Make a record in DPS (D1); its id, and all that was made.

        Raises `InvalidAnswer` when DPS does not say which record it made.
        """
        made = await self.synchronise(body, idempotent=False)
        dps_id = record_of(made)
        if dps_id is None:
            raise InvalidAnswer(self.dps.name, "PUT", RECORDS, reason="the record itself is not among what was made")
        return dps_id, made

    async def synchronise(self, body: SyncCsip, *, idempotent: bool) -> SyncedCsip:
        """Bring a record up to date (D1); what was made. Parts without an id are made: then it is not idempotent."""
        try:
            return await self.dps.put(RECORDS, body, SyncedCsip, idempotent=idempotent)
        except Rejected as refusal:
            _log_refused(refusal)
            raise

    async def delete(self, dps_id: str, actioned_at: datetime, *, missing_ok: bool = False) -> None:
        """Delete a record with all its parts (D2). Raises `NotFound` unless `missing_ok`."""
        body = DeletedCsip(actioned_at=actioned_at)
        await self.dps.delete(f"{RECORDS}/{{id}}", path={"id": dps_id}, body=body, missing_ok=missing_ok)

    async def move(self, source: str, target: str, dps_ids: Sequence[str]) -> None:
        """Give records of one prisoner to another (D3)."""
        uuids = [UUID(dps_id) for dps_id in dps_ids]
        body = MovedCsips(from_prison_number=source, to_prison_number=target, record_uuids=uuids)
        try:
            await self.dps.put(f"{RECORDS}/move", body)
        except Rejected as refusal:
            _log_refused(refusal)
            raise


def is_same_report(mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
    """Whether both pair the same report with the same record; what a 409 shows has no parts."""
    return all(str(mapping[name]) == str(existing.get(name)) for name in (NOMIS_ID_FIELD, DPS_ID_FIELD))


def _log_refused(refusal: Rejected) -> None:
    if refusal.status == _BAD_REQUEST:
        log.warning("%s, with the body %s", refusal, refusal.redacted_body)
