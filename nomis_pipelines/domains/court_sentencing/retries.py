"""Mappings that could not be recorded with what they map: only they are posted (card, section 7.14)."""

import logging
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.contracts.nomis_mapping_service import (
    CourtCaseBatch,
    NewCourtAppearanceMapping,
    NewCourtCaseTree,
    NewCourtChargeMapping,
    NewSentenceMapping,
    NewSentenceTermMapping,
)
from nomis_pipelines.domains.court_sentencing.bookings import RETRIED_CLONE, RETRY_CLONE
from nomis_pipelines.domains.court_sentencing.entities import (
    APPEARANCE,
    CASE,
    CHARGE,
    SENTENCE,
    TERM,
    CourtKey,
    Entity,
)
from nomis_pipelines.domains.court_sentencing.merges import RETRIED_MERGE, RETRY_MERGE, merge_key
from nomis_pipelines.domains.court_sentencing.work import QUEUE, REDELIVERY_SECONDS, SWITCH_DOMAIN, CourtWork
from nomis_pipelines.http import Conflict
from nomis_pipelines.ledger import LedgerError, LedgerUnavailable, RecordKey
from nomis_pipelines.synchronisation import (
    Delivery,
    EventBody,
    SyncContext,
    Synchronisation,
    complete_mapping,
    on_internal,
)

log = logging.getLogger(__name__)


class MergedMappings(EventBody):
    """Our own message: post this batch of a prisoner."""

    offender_no: str
    mapping: CourtCaseBatch


class RetryWork(CourtWork):
    """Posts mappings once more. A 409 counts as success, without the event of a duplicate."""

    async def one(self, entity: Entity, mapping: BaseModel, delivery: Delivery) -> None:
        """The mapping of one record. Raises for any other refusal, so that it is tried again."""
        pair = mapping.model_dump(by_alias=True, exclude_none=True)
        offender_no = delivery.telemetry_attributes.get("offenderNo", "")
        await complete_mapping(
            self.context,
            CourtKey.of(offender_no, entity, entity.ids(pair)).ledger_key,
            pair,
            post_mapping=lambda again: self.mappings.post(entity, again),
            dps_field=entity.dps_field,
        )
        self.tell(entity.retried, delivery.telemetry_attributes)

    async def merged(self, mappings: MergedMappings, delivery: Delivery) -> None:
        """The batch of a merge."""
        batch = mappings.mapping.model_dump(by_alias=True, exclude_none=True)
        attributes = delivery.telemetry_attributes
        try:
            await self.mappings.post_batch(mappings.offender_no, batch)
        except Conflict as conflict:
            log.info("batch of a merge: %s", conflict)
        removed, booking_id = attributes.get("removedOffenderNo", ""), attributes.get("bookingId", "")
        await self._mapped(merge_key(mappings.offender_no, removed, booking_id).ledger_key)
        self.tell(RETRIED_MERGE, attributes)

    async def cloned(self, mapping: CourtCaseBatch, delivery: Delivery) -> None:
        """The batch of a clone. It does not say whose: the retry of mappings settles that in the ledger."""
        batch: dict[str, Any] = mapping.model_dump(by_alias=True, exclude_none=True)
        try:
            await self.mappings.replace_batch(batch)
        except Conflict as conflict:
            log.info("batch of a clone: %s", conflict)
        self.tell(RETRIED_CLONE, delivery.telemetry_attributes)

    async def _mapped(self, key: RecordKey) -> None:
        try:
            await self.context.ledger.mapped(key)
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            log.info("the ledger was not changed: %s", error)


class CourtMappingRetries(Synchronisation):
    """Our own messages. They only post pairs that are settled, so they need no place in the order of a prisoner."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = RetryWork(context)

    @on_internal(CASE.retry, key=lambda mapping: f"mapping/case/{mapping.nomis_court_case_id}")
    async def case(self, mapping: NewCourtCaseTree, delivery: Delivery) -> None:
        """M2 once more."""
        await self._work.one(CASE, mapping, delivery)

    @on_internal(APPEARANCE.retry, key=lambda mapping: f"mapping/appearance/{mapping.nomis_court_appearance_id}")
    async def appearance(self, mapping: NewCourtAppearanceMapping, delivery: Delivery) -> None:
        """M7 once more."""
        await self._work.one(APPEARANCE, mapping, delivery)

    @on_internal(CHARGE.retry, key=lambda mapping: f"mapping/charge/{mapping.nomis_court_charge_id}")
    async def charge(self, mapping: NewCourtChargeMapping, delivery: Delivery) -> None:
        """M10 once more."""
        await self._work.one(CHARGE, mapping, delivery)

    @on_internal(SENTENCE.retry, key=lambda m: f"mapping/sentence/{m.nomis_booking_id}/{m.nomis_sentence_sequence}")
    async def sentence(self, mapping: NewSentenceMapping, delivery: Delivery) -> None:
        """M12 once more."""
        await self._work.one(SENTENCE, mapping, delivery)

    @on_internal(TERM.retry, key=lambda m: f"mapping/term/{m.nomis_booking_id}/{m.nomis_sentence_sequence}")
    async def term(self, mapping: NewSentenceTermMapping, delivery: Delivery) -> None:
        """M16 once more."""
        await self._work.one(TERM, mapping, delivery)

    @on_internal(RETRY_MERGE, key=lambda mappings: f"mapping/merge/{mappings.offender_no}")
    async def merge(self, mappings: MergedMappings, delivery: Delivery) -> None:
        """M1 once more."""
        await self._work.merged(mappings, delivery)

    @on_internal(RETRY_CLONE, key=lambda _batch: "mapping/clone")
    async def clone(self, mapping: CourtCaseBatch, delivery: Delivery) -> None:
        """M6 once more."""
        await self._work.cloned(mapping, delivery)
