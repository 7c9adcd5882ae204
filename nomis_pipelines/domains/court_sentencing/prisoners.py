"""All court cases of a prisoner: migrated again by hand, and what that would send (card, sections 5.5 and 8)."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nomis_pipelines.contracts.court_sentencing import CreatedCourtCases, PrisonerCourtCases
from nomis_pipelines.domains.court_sentencing.batches import batch_of, settled_by
from nomis_pipelines.domains.court_sentencing.dps import migrate_cases
from nomis_pipelines.domains.court_sentencing.entities import DOMAIN, MIGRATED
from nomis_pipelines.domains.court_sentencing.migration import (
    ENTITY_MIGRATED,
    CourtSentencingMigration,
    tell_duplicate,
)
from nomis_pipelines.domains.court_sentencing.nomis import NomisCalls
from nomis_pipelines.domains.court_sentencing.transform import prisoner_cases
from nomis_pipelines.domains.court_sentencing.work import CourtWork
from nomis_pipelines.domains.declaration import Preview
from nomis_pipelines.http import HttpClients
from nomis_pipelines.ledger import RecordKey, State
from nomis_pipelines.settings import LONDON
from nomis_pipelines.synchronisation import AlreadyMapped, Create, Created, Duplicate, create_once, settle_replaced

BATCH = 1000

Json = dict[str, Any]


class Prisoner(BaseModel):
    """A prisoner by number."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    offender_no: str = Field(min_length=1)


class PrisonerWork(CourtWork):
    """What is done about all cases of a prisoner at once."""

    async def migrate_again(self, offender_no: str) -> None:
        """Section 5.3 with `deleteExisting`: replaces what DPS and the mapping service have of the prisoner.

        A mapping that is refused stays in the ledger as written, and the retry of mappings records it. Whatever the
        ledger held against single records of the prisoner is settled by what has just been made.
        """
        label = datetime.now(UTC).astimezone(ZoneInfo(LONDON)).strftime("%Y-%m-%dT%H:%M:%S")
        cases = await self.nomis.cases(offender_no)
        body = prisoner_cases(offender_no, cases, self.context.settings.london_today())
        result = await self._write(body, label)
        if isinstance(result, Created) and result.resumed:
            # what an earlier attempt had made is mapped now, and is replaced by what NOMIS says today
            result = await self._write(body, label)
        if isinstance(result, Duplicate):
            tell_duplicate(self.tell, offender_no, label, 0)
        else:
            await settle_replaced(self.context, DOMAIN, settled_by(offender_no, result.mapping))
            await self._settle_doubts(offender_no)
        self.tell(ENTITY_MIGRATED, {"offenderNo": offender_no, "migrationId": label})

    async def _write(self, body: PrisonerCourtCases, label: str) -> Created | Duplicate:
        offender_no = body.prisoner_id

        async def never() -> None:
            """A prisoner who is migrated already is migrated all the same."""

        def mapping_of(created: CreatedCourtCases) -> Json:
            batch = batch_of(created, MIGRATED, label=label, case_type=MIGRATED, part_type=MIGRATED)
            return {"offenderNo": offender_no, **batch}

        async def post(mapping: Json) -> None:
            batch = {name: value for name, value in mapping.items() if name != "offenderNo"}
            await self.mappings.post_batch(offender_no, batch)

        result = await create_once(
            self.context,
            Create(
                key=CourtSentencingMigration.record_key(offender_no),
                client=self.dps.client,
                find_mapping=never,
                write=lambda: migrate_cases(self.context.clients, body, delete_existing=True),
                dps_id_of=lambda _created: offender_no,
                mapping_of=mapping_of,
                post_mapping=post,
                dps_field="offenderNo",
                idempotent=True,
            ),
        )
        if isinstance(result, AlreadyMapped):
            raise TypeError(f"the court cases of {offender_no} were looked up where they are to be replaced")
        return result

    async def _settle_doubts(self, offender_no: str) -> None:
        """End the doubts about what is no longer there: merges and clones, and records that NOMIS has no more."""
        after: RecordKey | None = None
        while page := await self.context.ledger.records(DOMAIN, states=[State.IN_DOUBT], after=after, limit=BATCH):
            after = page[-1].key
            for record in page:
                if record.nomis_key.startswith(f"{offender_no}/"):
                    await self.context.ledger.settle(record.key, "")


async def payload(clients: HttpClients, prisoner: Prisoner, today: date) -> PrisonerCourtCases:
    """What a migration would send; nothing is written or mapped. Raises what NOMIS's refusal raises."""
    return prisoner_cases(prisoner.offender_no, await NomisCalls(clients).cases(prisoner.offender_no), today)


PAYLOAD = Preview(
    summary="The court cases of a prisoner as a migration would send them",
    path="/migrate/court-sentencing/offender-payload/{offenderNo}",
    parameters=Prisoner,
    body=PrisonerCourtCases,
    work=payload,
)
