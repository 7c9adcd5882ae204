"""What makes a whole sentence be sent again: a charge that it covers, a recall (card, sections 7.10 and 7.12)."""

from nomis_pipelines.domains.court_sentencing.entities import SENTENCE
from nomis_pipelines.domains.court_sentencing.sentences import SentenceWork
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtEventBody,
    Told,
)
from nomis_pipelines.synchronisation import HandlerError, SyncContext, Synchronisation, on

FROM_DPS = "originates from DPS"
NOT_MAPPED = "sentence mapping does not exist, no update required"
NOT_IN_NOMIS = "sentence does not exist in nomis, no update required"


class SentenceChargeEvent(CourtEventBody):
    """Of a charge that a sentence covers."""

    sentence_seq: int
    charge_id: int
    offender_id_display: str
    booking_id: int


class RecallEvent(CourtEventBody):
    """Of the custody date of a fixed-term recall."""

    offender_id_display: str
    booking_id: int
    event_type: str


class SentenceRefresh(SentenceWork):
    """Sends sentences again."""

    async def charge_inserted(self, event: SentenceChargeEvent) -> None:
        """OFFENDER_SENTENCE_CHARGES-INSERTED."""
        name, told = "sentence-charge-synchronisation-inserted", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": FROM_DPS})
            return
        mapped = await self.mappings.find(SENTENCE, event.booking_id, event.sentence_seq)
        if mapped is None:
            self.tell(f"{name}-skipped", {**told, "reason": NOT_MAPPED})
            return
        sentence = await self.nomis.booking_sentence(event.booking_id, event.sentence_seq)
        told["dpsSentenceId"] = mapped
        async with self.tracked(name, told):
            await self.send(mapped, event.booking_id, sentence)

    async def charge_deleted(self, event: SentenceChargeEvent) -> None:
        """OFFENDER_SENTENCE_CHARGES-DELETED."""
        name, told = "sentence-charge-synchronisation-deleted", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": FROM_DPS})
            return
        mapped = await self.mappings.find(SENTENCE, event.booking_id, event.sentence_seq)
        sentence = await self.nomis.find_booking_sentence(event.booking_id, event.sentence_seq)
        if mapped is None or sentence is None:
            reason = NOT_IN_NOMIS if sentence is None else NOT_MAPPED
            self.tell(f"{name}-skipped", {**told, "reason": reason})
            return
        told["dpsSentenceId"] = mapped
        async with self.tracked(name, told):
            await self.send(mapped, event.booking_id, sentence)

    async def recalled(self, event: RecallEvent) -> None:
        """OFFENDER_FIXED_TERM_RECALLS-UPDATED: every active recall sentence that is mapped, no others."""
        name, booking_id = "recall-custody-date-synchronisation", event.booking_id
        told: Told = {
            "bookingId": booking_id,
            "offenderNo": event.offender_id_display,
            "changeType": event.event_type,
        }
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        sentences = {each.sentence_seq: each for each in await self.nomis.recall_sentences(booking_id)}
        if not sentences:
            reason = f"No active recall sentences found for booking {booking_id}"
            self.tell(f"{name}-ignored", {**told, "reason": reason})
            return
        async with self.tracked(name, told):
            wanted = [(sentence.booking_id, sequence) for sequence, sentence in sentences.items()]
            for mapping in await self.mappings.sentences(wanted):
                sentence = sentences.get(mapping.nomis_sentence_sequence)
                if sentence is None or sentence.booking_id != mapping.nomis_booking_id:
                    raise HandlerError(
                        f"sentence {mapping.nomis_booking_id}/{mapping.nomis_sentence_sequence} was not asked for"
                    )
                await self.send(mapping.dps_sentence_id, booking_id, sentence)


class SentenceRefreshSynchronisation(Synchronisation):
    """The messages that make whole sentences be sent again."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = SentenceRefresh(context)

    @on("OFFENDER_SENTENCE_CHARGES-INSERTED", key=lambda event: event.offender_id_display)
    async def charge_inserted(self, event: SentenceChargeEvent) -> None:
        """Section 7.10."""
        await self._work.charge_inserted(event)

    @on("OFFENDER_SENTENCE_CHARGES-DELETED", key=lambda event: event.offender_id_display)
    async def charge_deleted(self, event: SentenceChargeEvent) -> None:
        """Section 7.10."""
        await self._work.charge_deleted(event)

    @on("OFFENDER_FIXED_TERM_RECALLS-UPDATED", key=lambda event: event.offender_id_display)
    async def recalled(self, event: RecallEvent) -> None:
        """Section 7.12."""
        await self._work.recalled(event)


def _base(event: SentenceChargeEvent) -> Told:
    return {
        "nomisBookingId": event.booking_id,
        "nomisChargeId": event.charge_id,
        "nomisSentenceSequence": event.sentence_seq,
        "offenderNo": event.offender_id_display,
    }
