"""The calls of adjudications: NOMIS, mapping service, adjudications service (adjudications card, sections 2 to 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nomis_pipelines.contracts.adjudications import (
    AdjudicationMigrateDto,
    MigrateResponse,
    ReportedAdjudication,
    ReportedAdjudicationResponse,
)
from nomis_pipelines.contracts.nomis_mapping_service import AdjudicationMapping
from nomis_pipelines.contracts.nomis_prisoner import AdjudicationCharge
from nomis_pipelines.http import HttpClients

MAPPINGS = "/mapping/adjudications"
_BY_KEY = "/adjudication-number/{adjudicationNumber}/charge-sequence/{chargeSequence}"


@dataclass(frozen=True, slots=True)
class ChargeKey:
    """A charge of NOMIS: an adjudication may have several. The prisoner, where it is known, is no part of the key."""

    adjudication_number: int
    charge_sequence: int
    offender_no: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.adjudication_number}/{self.charge_sequence}"

    @classmethod
    def parse(cls, text: str) -> "ChargeKey":
        """From its text. Raises `ValueError`."""
        number, _, sequence = text.partition("/")
        return cls(int(number), int(sequence))

    @property
    def path(self) -> dict[str, int]:
        """The variables of paths that name a charge."""
        return {"adjudicationNumber": self.adjudication_number, "chargeSequence": self.charge_sequence}


class AdjudicationCalls:
    """Every call, on the clients of one run."""

    def __init__(self, clients: HttpClients) -> None:
        self.nomis = clients.client("nomis")
        self.mappings = clients.client("mapping")
        self.dps = clients.client("adjudications")

    async def read(self, key: ChargeKey) -> AdjudicationCharge:
        """The charge in NOMIS. Raises `NotFound`."""
        return await self.nomis.get("/adjudications" + _BY_KEY, AdjudicationCharge, path=key.path)

    async def find_mapping(self, key: ChargeKey) -> str | None:
        """The DPS charge number of a charge, if it is mapped."""
        mapping = await self.mappings.find(MAPPINGS + _BY_KEY, AdjudicationMapping, path=key.path)
        return mapping.charge_number if mapping is not None else None

    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record a charge with its hearings and punishments. Raises `Conflict`, which does not tell what is there."""
        await self.mappings.post(f"{MAPPINGS}/all", mapping, idempotent=True)

    async def migrate(self, body: AdjudicationMigrateDto) -> MigrateResponse:
        """Make or refresh a charge in DPS. Raises `Rejected` of status 406 when it is there and is not taken again."""
        return await self.dps.post(
            "/reported-adjudications/migrate", body, MigrateResponse, idempotent=True, keep_nulls=True
        )

    async def find_reported(self, charge_number: str, prison: str) -> ReportedAdjudication | None:
        """A charge in DPS under a number, if it is held under it; asked as somebody of the incident's prison."""
        answer = await self.dps.find(
            "/reported-adjudications/{chargeNumber}/v2",
            ReportedAdjudicationResponse,
            path={"chargeNumber": charge_number},
            headers={"Active-Caseload": prison},
        )
        return answer.reported_adjudication if answer is not None else None
