"""Sentences: their events, and the request to send one again (card, sections 7.9 and 7.15)."""

from collections.abc import Sequence

from nomis_pipelines.contracts.nomis_prisoner import CourtOrder, Sentence
from nomis_pipelines.domains.court_sentencing.entities import APPEARANCE, CASE, CHARGE, SENTENCE
from nomis_pipelines.domains.court_sentencing.transform import sentence_body
from nomis_pipelines.domains.court_sentencing.work import (
    QUEUE,
    REDELIVERY_SECONDS,
    SWITCH_DOMAIN,
    CourtEventBody,
    CourtWork,
    NullableId,
    Told,
)
from nomis_pipelines.http import CircuitOpen, ServiceError
from nomis_pipelines.synchronisation import (
    AlreadyMapped,
    Created,
    EventBody,
    HandlerError,
    SyncContext,
    Synchronisation,
    on,
    on_internal,
)

INDIVIDUAL = "IND"
LICENCE = "LICENCE"


class SentenceEvent(CourtEventBody):
    """Of a sentence."""

    sentence_seq: int
    sentence_level: str
    sentence_category: str
    case_id: NullableId = None
    offender_id_display: str
    booking_id: int

    @property
    def case_in_scope(self) -> int | None:
        """The case of a sentence that DPS takes; None for one that it does not (section 7.2)."""
        in_scope = self.sentence_level == INDIVIDUAL and self.sentence_category != LICENCE
        return self.case_id if in_scope else None


class SentenceResync(EventBody):
    """The DPS-to-NOMIS service has changed a sentence in NOMIS: send it again under these DPS ids."""

    sentence_seq: int
    dps_sentence_uuid: str
    offender_no: str
    booking_id: int
    case_id: int
    dps_appearance_uuid: str
    dps_consecutive_sentence_uuid: str | None = None


class SentenceWork(CourtWork):
    """What is done about sentences, for whatever asks for it."""

    async def insert(self, event: SentenceEvent) -> None:
        """OFFENDER_SENTENCES-INSERTED. Terms come with their own events."""
        name, told = "sentence-synchronisation-created", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": "created in dps"})
            return
        case_id = event.case_in_scope
        if case_id is None:
            self.tell(f"{name}-ignored", {**told, "reason": "sentence not in scope"})
            return
        booking_id, sequence = event.booking_id, event.sentence_seq
        if await self.mappings.find(SENTENCE, booking_id, sequence) is not None:
            self.tell(f"{name}-ignored", {**told, "reason": "sentence mapping exists"})
            return
        if await self.mappings.find(CASE, case_id) is None:
            self.tell(f"{name}-awaiting-parent", {**told, "reason": f"Nomis court case {case_id} is not mapped"})
            raise HandlerError(f"sentence {booking_id}/{sequence} waits for court case {case_id}, which is not mapped")
        sentence = await self.nomis.sentence(event.offender_id_display, case_id, sequence)
        if not sentence.offender_charges:
            self.tell(f"{name}-failed", {**told, "reason": "No charges associated with sentence"})
            raise HandlerError(f"sentence {booking_id}/{sequence} covers no charge in NOMIS yet")
        appearance = await self._appearance(name, told, booking_id, sentence)
        await self._create(name, told, event.offender_id_display, booking_id, sentence, appearance)

    async def _create(
        self, name: str, told: Told, offender_no: str, booking_id: int, sentence: Sentence, appearance: str
    ) -> None:
        ids = (booking_id, sentence.sentence_seq)
        async with self.errors_tracked(name, told):
            charges = await self.charges_of(booking_id, sentence)
            body = sentence_body(sentence, appearance, charges, await self.followed_by(booking_id, sentence))
            result = await self.create(SENTENCE, offender_no, ids, lambda: self.dps.create_sentence(body))
            if isinstance(result, Created) and result.resumed:
                # made by an attempt that died: NOMIS may have changed since
                await self.dps.update_sentence(result.dps_id, body)
        if isinstance(result, AlreadyMapped):
            self.tell(f"{name}-ignored", {**told, "reason": "sentence mapping exists"})
            return
        told["dpsSentenceId"] = result.dps_id
        await self.settle(SENTENCE, result, told)
        self.tell(f"{name}-success", told)

    async def update(self, event: SentenceEvent) -> None:
        """OFFENDER_SENTENCES-UPDATED."""
        name, told = "sentence-synchronisation-updated", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", told)
            return
        case_id = event.case_in_scope
        if case_id is None:
            self.tell(f"{name}-ignored", {**told, "reason": "sentence not in scope"})
            return
        await self.update_known(event.offender_id_display, event.booking_id, case_id, event.sentence_seq, told)

    async def update_known(self, offender_no: str, booking_id: int, case_id: int, sequence: int, told: Told) -> None:
        """The same from row 3 on; `told` is the base of what is told."""
        name, told = "sentence-synchronisation-updated", dict(told)
        mapped = await self.mappings.find(SENTENCE, booking_id, sequence)
        if mapped is None:
            if await self.nomis.find_sentence(offender_no, case_id, sequence) is not None:
                self.tell(f"{name}-failed", told)
                raise HandlerError(f"sentence {booking_id}/{sequence} is not mapped: it cannot be updated yet")
            reason = "sentence does not exist in nomis, no update required"
            self.tell(f"{name}-skipped", {**told, "reason": reason})
            return
        sentence = await self.nomis.sentence(offender_no, case_id, sequence)
        appearance = await self._appearance(name, told, booking_id, sentence)
        order = order_of(sentence)
        charges = await self.charges_of(booking_id, sentence)
        told |= {
            "dpsSentenceId": mapped,
            "nomisSentenceCalc": sentence.calculation_type.code,
            "nomisCourtAppearanceId": order.event_id,
            "dpsCourtAppearanceId": appearance,
            "nomisOrderId": order.id,
            "dpsChargeIds": ", ".join(charges),
            "nomisChargeIds": charge_ids_of(sentence),
        }
        async with self.tracked(name, told):
            await self.send(mapped, booking_id, sentence, appearance)

    async def delete(self, event: SentenceEvent) -> None:
        """OFFENDER_SENTENCES-DELETED."""
        name, told = "sentence-synchronisation-deleted", _base(event)
        if event.from_dps:
            self.tell(f"{name}-skipped", {**told, "reason": "created in dps"})
            return
        if event.case_in_scope is None:
            self.tell(f"{name}-ignored", {**told, "reason": "sentence not in scope"})
            return
        mapped = await self.mappings.find(SENTENCE, event.booking_id, event.sentence_seq)
        if mapped is None:
            await self.require_settled(event.offender_id_display, SENTENCE, event.booking_id, event.sentence_seq)
            self.tell(f"{name}-ignored", told)
            return
        told["dpsSentenceId"] = mapped
        async with self.errors_tracked(name, told):
            await self.dps.delete_sentence(mapped)
        await self.delete_mapping_patiently(SENTENCE, mapped)
        self.tell(f"{name}-success", told)

    async def resynchronise(self, request: SentenceResync) -> None:
        """`courtsentencing.resync.sentence`: the DPS ids are the request's, but for those of the charges."""
        sentence = await self.nomis.sentence(request.offender_no, request.case_id, request.sentence_seq)
        charges = await self.charges_of(request.booking_id, sentence)
        appearance, consecutive_to = request.dps_appearance_uuid, request.dps_consecutive_sentence_uuid
        body = sentence_body(sentence, appearance, charges, consecutive_to)
        await self.dps.update_sentence(request.dps_sentence_uuid, body)
        self.tell(
            "sentence-resynchronisation-success",
            {
                "nomisBookingId": request.booking_id,
                "nomisSentenceSequence": request.sentence_seq,
                "dpsSentenceId": request.dps_sentence_uuid,
                "nomisCaseId": request.case_id,
                "dpsAppearanceId": appearance,
                "offenderNo": request.offender_no,
            },
        )

    async def send(self, mapped: str, booking_id: int, sentence: Sentence, appearance: str | None = None) -> None:
        """Bring a sentence in DPS up to date; what it hangs on must all be mapped (section 7.4)."""
        if appearance is None:
            appearance = await self.mappings.get(APPEARANCE, order_of(sentence).event_id)
        consecutive_to = await self.followed_by(booking_id, sentence)
        charges = await self.charges_of(booking_id, sentence)
        await self.dps.update_sentence(mapped, sentence_body(sentence, appearance, charges, consecutive_to))

    async def charges_of(self, booking_id: int, sentence: Sentence) -> Sequence[str]:
        """The DPS ids of the charges that a sentence covers. Raises `HandlerError` at the first that cannot be had."""
        try:
            return [await self.mappings.get(CHARGE, charge.id) for charge in sentence.offender_charges]
        except CircuitOpen:
            raise
        except ServiceError as error:
            self.tell(
                "charge-mapping-missing",
                {
                    "nomisBookingId": booking_id,
                    "nomisSentenceSequence": sentence.sentence_seq,
                    "nomisChargeIds": charge_ids_of(sentence),
                },
            )
            raise HandlerError(
                "Unable to find mapping for nomis offender charges in the context of sentence: "
                f"bookingId= {booking_id} sentenceSequence= {sentence.sentence_seq}"
            ) from error

    async def followed_by(self, booking_id: int, sentence: Sentence) -> str | None:
        """The DPS id of the sentence that this one follows, if any. Raises `HandlerError` when that is not mapped."""
        follows = sentence.consec_sequence
        if follows is None:
            return None
        mapped = await self.mappings.find(SENTENCE, booking_id, follows)
        if mapped is None:
            raise HandlerError(
                f"Consecutive Sentence with sequence {follows} has not been mapped. "
                f"For sentence sequence {sentence.sentence_seq} and booking {booking_id}"
            )
        return mapped

    async def _appearance(self, name: str, told: Told, booking_id: int, sentence: Sentence) -> str:
        event_id = order_of(sentence).event_id
        mapped = await self.mappings.find(APPEARANCE, event_id)
        if mapped is None:
            reason = f"parent court appearance {event_id} is not mapped"
            self.tell(f"{name}-awaiting-parent", {**told, "reason": reason})
            raise HandlerError(f"sentence {booking_id}/{sentence.sentence_seq}: {reason}")
        return mapped


class SentenceSynchronisation(Synchronisation):
    """The messages about sentences."""

    queue = QUEUE
    switch_domain = SWITCH_DOMAIN
    redelivery_seconds = REDELIVERY_SECONDS

    def __init__(self, context: SyncContext) -> None:
        super().__init__(context)
        self._work = SentenceWork(context)

    @on("OFFENDER_SENTENCES-INSERTED", key=lambda event: event.offender_id_display)
    async def inserted(self, event: SentenceEvent) -> None:
        """Section 7.9."""
        await self._work.insert(event)

    @on("OFFENDER_SENTENCES-UPDATED", key=lambda event: event.offender_id_display)
    async def updated(self, event: SentenceEvent) -> None:
        """Section 7.9."""
        await self._work.update(event)

    @on("OFFENDER_SENTENCES-DELETED", key=lambda event: event.offender_id_display)
    async def deleted(self, event: SentenceEvent) -> None:
        """Section 7.9."""
        await self._work.delete(event)

    @on_internal("courtsentencing.resync.sentence", key=lambda request: request.offender_no)
    async def resynchronise(self, request: SentenceResync) -> None:
        """Section 7.15."""
        await self._work.resynchronise(request)


def order_of(sentence: Sentence) -> CourtOrder:
    """The court order by which a sentence was passed. Raises `HandlerError` for a sentence without one (section 11)."""
    if sentence.court_order is None:
        raise HandlerError(f"sentence {sentence.booking_id}/{sentence.sentence_seq} has no court order in NOMIS")
    return sentence.court_order


def charge_ids_of(sentence: Sentence) -> str:
    """The NOMIS ids of the charges that a sentence covers, as telemetry tells them."""
    return ", ".join(str(charge.id) for charge in sentence.offender_charges)


def _base(event: SentenceEvent) -> Told:
    return {
        "nomisSentenceSequence": event.sentence_seq,
        "nomisSentenceCategory": event.sentence_category,
        "nomisSentenceLevel": event.sentence_level,
        "offenderNo": event.offender_id_display,
        "nomisCaseId": event.case_id,
        "nomisBookingId": event.booking_id,
    }
