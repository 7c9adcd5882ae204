"""Terms of sentences (card, section 7.11)."""

from nomis_pipelines.domains.court_sentencing.entities import SENTENCE, TERM
from nomis_pipelines.domains.court_sentencing.transform import term_body
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtEventBody,
    CourtWork,
    Told,
)
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Created,
    HandlerError,
    SyncContext,
    Synchronisation,
    on,
)


class TermEvent(CourtEventBody):
    """Of a term."""

    sentence_seq: int
    term_sequence: int
    offender_id_display: str
    booking_id: int

    @property
    def ids(self) -> tuple[int, int, int]:
        """The term's own ids."""
        return self.booking_id, self.sentence_seq, self.term_sequence


class TermWork(CourtWork):
    """What is done about terms, for whatever asks for it."""

    async def insert(self, event: TermEvent) -> None:
        """OFFENDER_SENTENCE_TERMS-INSERTED."""
        name, told = "sentence-term-synchronisation-created", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": "created in dps"})
            return
        sentence = await self.mappings.find(SENTENCE, event.booking_id, event.sentence_seq)
        if sentence is None:
            self.tell(f"{name}-awaiting-parent", {**told, "reason": "parent sentence not mapped"})
            raise _waits(event)
        if await self.mappings.find(TERM, *event.ids) is not None:
            self.tell(f"{name}-ignored", {**told, "reason": "sentence term mapping exists"})
            return
        body = term_body(await self.nomis.term(event.offender_id_display, *event.ids), sentence)
        async with self.errors_tracked(name, told):
            result = await self.create(TERM, event.offender_id_display, event.ids, lambda: self.dps.create_term(body))
            if isinstance(result, Created) and result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self.dps.update_term(result.dps_id, body)
        if isinstance(result, AlreadyMapped):
            self.tell(f"{name}-ignored", {**told, "reason": "sentence term mapping exists"})
            return
        told["dpsTermId"] = result.dps_id
        await self.settle(TERM, result, told)
        self.tell(f"{name}-success", told)

    async def update(self, event: TermEvent) -> None:
        """OFFENDER_SENTENCE_TERMS-UPDATED."""
        name, told = "sentence-term-synchronisation-updated", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        mapped = await self.mappings.find(TERM, *event.ids)
        if mapped is None:
            if await self.nomis.find_term(event.offender_id_display, *event.ids) is not None:
                self.tell(f"{name}-failed", told)
                raise HandlerError(f"sentence term {_shown(event)} is not mapped: it cannot be updated yet")
            reason = "sentence term does not exist in nomis, no update required"
            self.tell(f"{name}-skipped", {**told, "reason": reason})
            return
        sentence = await self.mappings.find(SENTENCE, event.booking_id, event.sentence_seq)
        if sentence is None:
            # the one name without what was being done in it (section 11)
            self.tell("sentence-term-synchronisation-awaiting-parent", told)
            raise _waits(event)
        body = term_body(await self.nomis.term(event.offender_id_display, *event.ids), sentence)
        told["dpsTermId"] = mapped
        async with self.tracked(name, told):
            await self.dps.update_term(mapped, body)

    async def delete(self, event: TermEvent) -> None:
        """OFFENDER_SENTENCE_TERMS-DELETED."""
        name, told = "sentence-term-synchronisation-deleted", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": "created in dps"})
            return
        mapped = await self.mappings.find(TERM, *event.ids)
        if mapped is None:
            await self.require_settled(event.offender_id_display, TERM, *event.ids)
            self.tell(f"{name}-ignored", told)
            return
        told["dpsTermId"] = mapped
        async with self.errors_tracked(name, told):
            await self.dps.delete_term(mapped)
        await self.delete_mapping_patiently(TERM, mapped)
        self.tell(f"{name}-success", told)


class SentenceTermSynchronisation(Synchronisation):
    """The messages about terms."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = TermWork(context)

    @on("OFFENDER_SENTENCE_TERMS-INSERTED", key=lambda event: event.offender_id_display)
    async def inserted(self, event: TermEvent) -> None:
        """Section 7.11."""
        await self._work.insert(event)

    @on("OFFENDER_SENTENCE_TERMS-UPDATED", key=lambda event: event.offender_id_display)
    async def updated(self, event: TermEvent) -> None:
        """Section 7.11."""
        await self._work.update(event)

    @on("OFFENDER_SENTENCE_TERMS-DELETED", key=lambda event: event.offender_id_display)
    async def deleted(self, event: TermEvent) -> None:
        """Section 7.11."""
        await self._work.delete(event)


def _base(event: TermEvent) -> Told:
    return {
        "nomisSentenceSequence": event.sentence_seq,
        "nomisTermSequence": event.term_sequence,
        "offenderNo": event.offender_id_display,
        "nomisBookingId": event.booking_id,
    }


def _shown(event: TermEvent) -> str:
    return "/".join(map(str, event.ids))


def _waits(event: TermEvent) -> HandlerError:
    return HandlerError(
        f"sentence term {_shown(event)} waits for sentence {event.booking_id}/{event.sentence_seq}, which is not mapped"
    )
