"""Prisoner merges (card, section 7.13).

NOMIS copies cases of the number that is gone, makes the originals inactive, and tells once what it did. Making the
copies in DPS is no work to be repeated, so the ledger keeps each merge as a record of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nomis_pipelines.contracts.court_sentencing import (
    CreatedCourtCases,
    DeactivatedCourtCase,
    DeactivatedSentence,
    MergePrisoner,
)
from nomis_pipelines.contracts.nomis_prisoner import CourtCase, Sentence
from nomis_pipelines.domains.court_sentencing.batches import batch_of, first_case
from nomis_pipelines.domains.court_sentencing.entities import CASE, NOMIS_CREATED, CourtKey
from nomis_pipelines.domains.court_sentencing.transform import case_active, dps_uuid, sentence_active, whole_case
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtWork,
    Told,
    texts,
)
from nomis_pipelines.domains.duplicates import duplicate_properties
from nomis_pipelines.synchronisation import (
    Create,
    Created,
    Duplicate,
    EventBody,
    HandlerError,
    SyncContext,
    Synchronisation,
    create_once,
    on,
)

RETRY_MERGE = "prisoner_merge_court_case_synchronisation_retry"
RETRIED_MERGE = "from-nomis-synch-court-case-merge-mapping-retry-success"
DONE = "done"

Json = dict[str, Any]


class MergedPrisoner(EventBody):
    """What of a merge is told: the number that stays, the one that is gone, the booking that changed hands."""

    noms_number: str
    removed_noms_number: str
    booking_id: int


class MergedEvent(EventBody):
    """Two prisoner numbers have become one."""

    occurred_at: datetime
    additional_information: MergedPrisoner


class MergeWork(CourtWork):
    """What is done about a merge."""

    async def merge(self, retained: str, removed: str, booking_id: int) -> None:
        """Section 7.13. DPS is told even when nothing was created or deactivated."""
        changes = await self.nomis.after_merge(retained)
        told: Told = {
            "offenderNo": retained,
            "bookingId": booking_id,
            "removedOffenderNo": removed,
            "courtCasesCreatedCount": len(changes.court_cases_created),
            "courtCasesDeactivatedCount": len(changes.court_cases_deactivated),
            "additionalSentencesDeactivated": len(changes.sentences_deactivated),
        }
        today = self.context.settings.london_today()
        body = MergePrisoner(
            removed_prisoner_number=removed,
            cases_created=[whole_case(case, today) for case in changes.court_cases_created],
            cases_deactivated=await self._deactivated_cases(changes.court_cases_deactivated),
            sentences_deactivated=await self._deactivated_sentences(
                _each_once(
                    [
                        *(sentence for case in changes.court_cases_deactivated for sentence in case.sentences),
                        *changes.sentences_deactivated,
                    ]
                )
            ),
        )
        await self._write(retained, removed, booking_id, body, told)
        self.tell("from-nomis-synch-court-case-merge", told)

    async def _write(self, retained: str, removed: str, booking_id: int, body: MergePrisoner, told: Told) -> None:
        async def done() -> str:
            return DONE

        async def post(mapping: Json) -> None:
            # without created cases there is nothing to map (step 6)
            if body.cases_created:
                batch = {name: value for name, value in mapping.items() if name != "offenderNo"}
                await self.mappings.post_batch(retained, batch)

        def mapping_of(created: CreatedCourtCases) -> Json:
            return {"offenderNo": retained, **batch_of(created, NOMIS_CREATED)}

        result = await create_once(
            self.context,
            Create(
                key=merge_key(retained, removed, booking_id).ledger_key,
                client=self.dps.client,
                # asked only of a merge that the ledger has as done
                find_mapping=done,
                write=lambda: self.dps.merge(retained, body),
                dps_id_of=lambda _created: DONE,
                mapping_of=mapping_of,
                post_mapping=post,
                dps_field="offenderNo",
            ),
        )
        if isinstance(result, Duplicate):
            told_of = duplicate_properties(
                first_case(result.duplicate), first_case(result.existing), *CASE.duplicate_fields
            )
            self.tell(CASE.duplicate, told_of)
        elif isinstance(result, Created) and result.mapping_failed:
            batch = {name: value for name, value in result.mapping.items() if name != "offenderNo"}
            await self.context.queues.send_internal(
                QUEUE, RETRY_MERGE, {"offenderNo": retained, "mapping": batch}, texts(told)
            )

    async def _deactivated_cases(self, cases: Sequence[CourtCase]) -> list[DeactivatedCourtCase]:
        if not cases:
            return []
        mapped = {
            pair.nomis_court_case_id: pair.dps_court_case_id
            for pair in await self.mappings.cases([case.id for case in cases])
        }
        _require_same(mapped, [case.id for case in cases], "court case")
        return [DeactivatedCourtCase(dps_court_case_uuid=mapped[case.id], active=case_active(case)) for case in cases]

    async def _deactivated_sentences(self, sentences: Sequence[Sentence]) -> list[DeactivatedSentence]:
        if not sentences:
            return []
        wanted = [(sentence.booking_id, sentence.sentence_seq) for sentence in sentences]
        mapped = {
            (pair.nomis_booking_id, pair.nomis_sentence_sequence): pair.dps_sentence_id
            for pair in await self.mappings.sentences(wanted)
        }
        _require_same(mapped, wanted, "sentence")
        return [
            DeactivatedSentence(dps_sentence_uuid=dps_uuid(mapped[key]), active=sentence_active(sentence))
            for key, sentence in zip(wanted, sentences, strict=True)
        ]


class CourtMergeSynchronisation(Synchronisation):
    """Merges, in order with everything else of the number that stays."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = MergeWork(context)

    @on("prison-offender-events.prisoner.merged", key=lambda event: event.additional_information.noms_number)
    async def merged(self, event: MergedEvent) -> None:
        """Section 7.13."""
        merge = event.additional_information
        await self._work.merge(merge.noms_number, merge.removed_noms_number, merge.booking_id)


def merge_key(retained: str, removed: str, booking_id: object) -> CourtKey:
    """The key of a merge in the ledger."""
    return CourtKey(retained, "merge", (removed, str(booking_id)))


def _each_once(sentences: Sequence[Sentence]) -> list[Sentence]:
    return list({(sentence.booking_id, sentence.sentence_seq): sentence for sentence in sentences}.values())


def _require_same(mapped: Mapping[Any, str], wanted: Sequence[Any], what: str) -> None:
    missing = [each for each in wanted if each not in mapped]
    surplus = [each for each in mapped if each not in wanted]
    if missing or surplus:
        raise HandlerError(f"{what} mappings of the merge: {missing} are missing, {surplus} were not asked for")
