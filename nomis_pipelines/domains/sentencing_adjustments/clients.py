"""The calls of adjustments: NOMIS, mapping service, adjustments service (adjustments card, sections 2 to 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.contracts.adjustments import LegacyAdjustment, LegacyAdjustmentCreated
from nomis_pipelines.contracts.nomis_mapping_service import AdjustmentMapping
from nomis_pipelines.contracts.nomis_prisoner import BookingAdjustments, KeyDateAdjustment, SentenceAdjustment
from nomis_pipelines.domains.sentencing_adjustments.transform import Adjustment
from nomis_pipelines.http import HttpClients
from nomis_pipelines.ledger import RecordKey

DOMAIN = "sentencing_adjustments"
SENTENCE = "SENTENCE"
KEY_DATE = "KEY-DATE"
VENDOR_JSON = "application/vnd.nomis-offence+json"
"""The only content type the service lists for these calls, DELETE included."""
MAPPINGS = "/mapping/sentencing/adjustments"
DPS_ID_FIELD = "adjustmentId"
DUPLICATE_FIELDS = (DPS_ID_FIELD, "nomisAdjustmentId", "nomisAdjustmentCategory")
"""What duplicate events tell of either pair (sections 5.1 and 9)."""


@dataclass(frozen=True, slots=True)
class AdjustmentKey:
    """The two kinds number independently: the id means nothing without its category, passed on as NOMIS lists it."""

    category: str
    id: int

    def __str__(self) -> str:
        return f"{self.category}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> "AdjustmentKey":
        """From its text."""
        category, _, number = text.partition("/")
        return cls(category, int(number))

    @property
    def ledger_key(self) -> RecordKey:
        """Its key in the ledger, the same for migration and synchronisation."""
        return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(self))


class AdjustmentCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client("sentencing")

    async def read(self, key: AdjustmentKey) -> Adjustment:
        """The adjustment in NOMIS; any category but SENTENCE is a key-date one. Raises `NotFound`."""
        path = {"adjustmentId": key.id}
        if key.category == SENTENCE:
            return await self.nomis.get("/sentence-adjustments/{adjustmentId}", SentenceAdjustment, path=path)
        return await self.nomis.get("/key-date-adjustments/{adjustmentId}", KeyDateAdjustment, path=path)

    async def of_booking(self, booking_id: int) -> BookingAdjustments:
        """All adjustments of a booking, inactive ones too. Raises `NotFound` for an unknown booking."""
        return await self.nomis.get(
            "/prisoners/booking-id/{bookingId}/sentencing-adjustments",
            BookingAdjustments,
            path={"bookingId": booking_id},
            query={"active-only": False},
        )

    async def find_mapping(self, key: AdjustmentKey) -> AdjustmentMapping | None:
        """The mapping of an adjustment, if there is one."""
        return await self.mappings.find(
            f"{MAPPINGS}/nomis-adjustment-category/{{category}}/nomis-adjustment-id/{{id}}",
            AdjustmentMapping,
            path={"category": key.category, "id": key.id},
        )

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record a pair. Raises `Conflict`."""
        await self.mappings.post(MAPPINGS, dict(mapping), idempotent=True)

    async def delete_mapping(self, dps_id: str) -> None:
        """Delete the pair of a DPS id; one that is gone already is deleted all the same."""
        await self.mappings.delete(f"{MAPPINGS}/adjustment-id/{{adjustmentId}}", path={"adjustmentId": dps_id})

    async def create(self, body: LegacyAdjustment, *, migration: bool = False) -> str:
        """Make an adjustment in DPS; its id. A migrated one raises no events there."""
        template = "/legacy/adjustments/migration" if migration else "/legacy/adjustments"
        return (await self.dps.post(template, body, LegacyAdjustmentCreated, content_type=VENDOR_JSON)).adjustment_id

    async def update(self, dps_id: str, body: LegacyAdjustment) -> None:
        """Bring an adjustment in DPS up to date. Raises `NotFound`."""
        await self.dps.put(
            "/legacy/adjustments/{adjustmentId}", body, path={"adjustmentId": dps_id}, content_type=VENDOR_JSON
        )

    async def delete(self, dps_id: str) -> None:
        """Delete an adjustment in DPS; one that is gone already is deleted all the same."""
        await self.dps.delete(
            "/legacy/adjustments/{adjustmentId}",
            path={"adjustmentId": dps_id},
            content_type=VENDOR_JSON,
            missing_ok=True,
        )
