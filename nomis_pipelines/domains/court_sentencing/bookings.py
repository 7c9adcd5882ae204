"""Cases copied to the latest booking on behalf of DPS: `courtsentencing.resync.case.booking` (card, section 7.15).

The mappings of what moved point at the new NOMIS ids already; the originals stay behind on the old booking and are made
anew in DPS, which is no work to be repeated: the ledger keeps each such request as a record of its own.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from nomis_pipelines.contracts.court_sentencing import CreatedCourtCases
from nomis_pipelines.domains.court_sentencing.batches import batch_of
from nomis_pipelines.domains.court_sentencing.cases import CaseResync, CaseWork
from nomis_pipelines.domains.court_sentencing.entities import CASE, NOMIS_CREATED, CourtKey
from nomis_pipelines.domains.court_sentencing.migration import REPLACE
from nomis_pipelines.domains.court_sentencing.sentences import SentenceWork
from nomis_pipelines.domains.court_sentencing.transform import prisoner_cases
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtWork,
    Told,
)
from nomis_pipelines.http import Conflict
from nomis_pipelines.synchronisation import (
    Create,
    Created,
    EventBody,
    SyncContext,
    Synchronisation,
    create_once,
    on_internal,
)

RETRY_CLONE = "court_case_booking_clone_synchronisation_retry"
RETRIED_CLONE = "from-nomis-synch-court-case-booking-clone-mapping-retry-success"
DONE = "done"

Json = dict[str, Any]


class MovedSentence(EventBody):
    """A sentence of a moved case."""

    sentence_sequence: int


class MovedCase(EventBody):
    """A case that moved to the latest booking."""

    case_id: int
    sentences: list[MovedSentence]


class BookingResync(EventBody):
    """What moved from which booking to which, and the cases that stayed behind."""

    offender_no: str
    from_booking_id: int = 0
    to_booking_id: int = 0
    case_ids: list[int]
    cases_moved: list[MovedCase] = Field(default_factory=list[MovedCase])


class BookingWork(CourtWork):
    """What is done about cases copied to another booking."""

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._cases = CaseWork(context)
        self._sentences = SentenceWork(context)

    async def resynchronise(self, request: BookingResync) -> None:
        """Send again what moved, then make what stayed behind."""
        told: Told = {
            "nomisCaseIds": ", ".join(map(str, request.case_ids)),
            "offenderNo": request.offender_no,
            "fromBookingId": request.from_booking_id,
            "toBookingId": request.to_booking_id,
        }
        for moved in request.cases_moved:
            mapped = await self.mappings.get(CASE, moved.case_id)
            again = CaseResync(dps_case_uuid=mapped, offender_no=request.offender_no, case_id=moved.case_id)
            await self._cases.resynchronise(again)
            for sentence in moved.sentences:
                await self._sentences.update_known(
                    request.offender_no, request.to_booking_id, moved.case_id, sentence.sentence_sequence, told
                )
        if request.case_ids:
            await self._make_originals(request.offender_no, request.to_booking_id, request.case_ids)
        self.tell("court-case-booking-resynchronisation-success", told)

    async def _make_originals(self, offender_no: str, booking_id: int, case_ids: Sequence[int]) -> None:
        cases = await self.nomis.some_cases(offender_no, case_ids)
        body = prisoner_cases(offender_no, cases, self.context.settings.london_today())

        async def done() -> str:
            return DONE

        async def replace(mapping: Json) -> None:
            batch = {name: value for name, value in mapping.items() if name != REPLACE}
            try:
                await self.mappings.replace_batch(batch)
            except Conflict as conflict:
                # here no duplicate but a failure like any other: without its body it is taken for one
                raise Conflict(conflict.service, conflict.method, conflict.template) from conflict

        def mapping_of(created: CreatedCourtCases) -> Json:
            return {REPLACE: True, **batch_of(created, NOMIS_CREATED, part_type=NOMIS_CREATED)}

        result = await create_once(
            self.context,
            Create(
                key=CourtKey(offender_no, "clone", (str(booking_id), str(min(case_ids)))).ledger_key,
                client=self.dps.client,
                # asked only of a request that the ledger has as done
                find_mapping=done,
                write=lambda: self.dps.create_for_booking(body),
                dps_id_of=lambda _created: DONE,
                mapping_of=mapping_of,
                post_mapping=replace,
                dps_field=REPLACE,
            ),
        )
        if isinstance(result, Created) and result.mapping_failed:
            batch = {name: value for name, value in result.mapping.items() if name != REPLACE}
            await self.context.queues.send_internal(QUEUE, RETRY_CLONE, batch, {"offenderNo": offender_no})


class CourtBookingSynchronisation(Synchronisation):
    """The request of the DPS-to-NOMIS service."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = BookingWork(context)

    @on_internal("courtsentencing.resync.case.booking", key=lambda request: request.offender_no)
    async def resynchronise(self, request: BookingResync) -> None:
        """Section 7.15."""
        await self._work.resynchronise(request)
