"""The calls of the mapping service (court sentencing card, section 2.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from nomis_pipelines.contracts.nomis_mapping_service import (
    CourtCaseMapping,
    CourtSentencingSummary,
    NomisSentenceId,
    SentenceMapping,
)
from nomis_pipelines.domains.court_sentencing.entities import MAPPINGS, Entity
from nomis_pipelines.http import HttpClients


class MappingCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self._client = clients.client("mapping")

    async def find(self, entity: Entity, *ids: int) -> str | None:
        """The DPS id of a record, if it is mapped (M3, M8, M11, M13, M17)."""
        path = dict(zip(entity.find_names, ids, strict=True))
        found = await self._client.find(entity.find_path, entity.answer, path=path)
        return None if found is None else str(getattr(found, entity.attribute))

    async def get(self, entity: Entity, *ids: int) -> str:
        """The DPS id of a record that must be mapped. Raises `NotFound`."""
        path = dict(zip(entity.find_names, ids, strict=True))
        return str(getattr(await self._client.get(entity.find_path, entity.answer, path=path), entity.attribute))

    async def post(self, entity: Entity, pair: Mapping[str, Any]) -> None:
        """Record a pair (M2, M7, M10, M12, M16). Raises `Conflict`."""
        await self._client.post(entity.path, dict(pair), idempotent=True)

    async def delete(self, entity: Entity, dps_id: str) -> None:
        """Forget the pair of a DPS id; one that is gone already is forgotten all the same (M5, M9, M15, M18)."""
        await self._client.delete(entity.delete_path, path={entity.dps_field: dps_id})

    async def cases(self, case_ids: Sequence[int]) -> list[CourtCaseMapping]:
        """The pairs of those court cases that are mapped (M4)."""
        path = f"{MAPPINGS}/court-cases/nomis-case-ids/get-list"
        return await self._client.post(path, list(case_ids), list[CourtCaseMapping], idempotent=True)

    async def sentences(self, sentences: Sequence[tuple[int, int]]) -> list[SentenceMapping]:
        """The pairs of those sentences, by booking and sequence, that are mapped (M14)."""
        wanted = [NomisSentenceId(nomis_booking_id=b, nomis_sentence_sequence=s) for b, s in sentences]
        path = f"{MAPPINGS}/sentences/nomis-sentence-ids/get-list"
        return await self._client.post(path, wanted, list[SentenceMapping], idempotent=True)

    async def post_batch(self, offender_no: str, batch: Mapping[str, Any]) -> None:
        """Record a prisoner's batch in the place of what its ids had, and note it (M1). Raises `Conflict`."""
        path = {"offenderNo": offender_no}
        await self._client.post(
            f"{MAPPINGS}/prisoner/{{offenderNo}}/court-cases", dict(batch), path=path, idempotent=True
        )

    async def replace_batch(self, batch: Mapping[str, Any]) -> None:
        """Record a batch in the place of what its ids had (M6)."""
        await self._client.put(f"{MAPPINGS}/court-cases/replace", dict(batch))

    async def summary(self, offender_no: str) -> CourtSentencingSummary | None:
        """What is noted of a prisoner's batch, if one was ever recorded; a merge resets it."""
        return await self._client.find(
            f"{MAPPINGS}/prisoner/{{offenderNo}}/migration-summary",
            CourtSentencingSummary,
            path={"offenderNo": offender_no},
        )
