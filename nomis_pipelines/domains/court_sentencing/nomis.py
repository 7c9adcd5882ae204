"""The calls of NOMIS (court sentencing card, section 3). All but the `find_`s raise `NotFound`."""

from collections.abc import Sequence

from nomis_pipelines.contracts.nomis_prisoner import (
    CourtCase,
    CourtCasesAfterMerge,
    CourtEvent,
    CourtEventCharge,
    OffenderCharge,
    Sentence,
    SentenceTerm,
)
from nomis_pipelines.http import HttpClients

_CASES = "/prisoners/{offenderNo}/sentencing/court-cases"
_EVENT = "/prisoners/{offenderNo}/sentencing/court-appearances/{eventId}"
_CHARGE = _EVENT + "/charges/{chargeId}"
_SENTENCE = "/prisoners/{offenderNo}/court-cases/{caseId}/sentences/{sentenceSequence}"
_BOOKING_SENTENCE = "/prisoners/booking-id/{bookingId}/sentences/{sentenceSequence}"
_TERM = (
    "/prisoners/{offenderNo}/sentence-terms/booking-id/{bookingId}/sentence-sequence/{sentenceSequence}"
    "/term-sequence/{termSequence}"
)


class NomisCalls:
    """Every call, on the clients of one run or consumer."""

    def __init__(self, clients: HttpClients) -> None:
        self._client = clients.client("nomis")

    async def cases(self, offender_no: str) -> list[CourtCase]:
        """Every case of every booking of a prisoner (N2)."""
        return await self._client.get(_CASES, list[CourtCase], path={"offenderNo": offender_no})

    async def case(self, offender_no: str, case_id: int) -> CourtCase:
        """One case of a prisoner (N3)."""
        path = {"offenderNo": offender_no, "caseId": case_id}
        return await self._client.get(f"{_CASES}/{{caseId}}", CourtCase, path=path)

    async def case_of_anybody(self, case_id: int) -> CourtCase:
        """One case, whosever it is (N4)."""
        return await self._client.get("/court-cases/{caseId}", CourtCase, path={"caseId": case_id})

    async def some_cases(self, offender_no: str, case_ids: Sequence[int]) -> list[CourtCase]:
        """Some cases of a prisoner (N5)."""
        path = {"offenderNo": offender_no}
        return await self._client.post(
            f"{_CASES}/get-list", list(case_ids), list[CourtCase], path=path, idempotent=True
        )

    async def after_merge(self, offender_no: str) -> CourtCasesAfterMerge:
        """What the last merge did (N6). Raises `Rejected` for a prisoner who was never merged."""
        return await self._client.get(f"{_CASES}/post-merge", CourtCasesAfterMerge, path={"offenderNo": offender_no})

    async def event(self, offender_no: str, event_id: int) -> CourtEvent:
        """One appearance (N7)."""
        return await self._client.get(_EVENT, CourtEvent, path={"offenderNo": offender_no, "eventId": event_id})

    async def find_event(self, offender_no: str, event_id: int) -> CourtEvent | None:
        """The same, None for none."""
        return await self._client.find(_EVENT, CourtEvent, path={"offenderNo": offender_no, "eventId": event_id})

    async def event_charge(self, offender_no: str, event_id: int, charge_id: int) -> CourtEventCharge:
        """One charge as at one appearance (N8)."""
        path = {"offenderNo": offender_no, "eventId": event_id, "chargeId": charge_id}
        return await self._client.get(_CHARGE, CourtEventCharge, path=path)

    async def find_event_charge(self, offender_no: str, event_id: int, charge_id: int) -> CourtEventCharge | None:
        """The same, None for none."""
        path = {"offenderNo": offender_no, "eventId": event_id, "chargeId": charge_id}
        return await self._client.find(_CHARGE, CourtEventCharge, path=path)

    async def charge(self, offender_no: str, charge_id: int) -> OffenderCharge:
        """One charge, whatever the appearance (N9)."""
        path = {"offenderNo": offender_no, "chargeId": charge_id}
        template = "/prisoners/{offenderNo}/sentencing/offender-charges/{chargeId}"
        return await self._client.get(template, OffenderCharge, path=path)

    async def sentence(self, offender_no: str, case_id: int, sequence: int) -> Sentence:
        """One sentence of a case (N10)."""
        path = {"offenderNo": offender_no, "caseId": case_id, "sentenceSequence": sequence}
        return await self._client.get(_SENTENCE, Sentence, path=path)

    async def find_sentence(self, offender_no: str, case_id: int, sequence: int) -> Sentence | None:
        """The same, None for none."""
        path = {"offenderNo": offender_no, "caseId": case_id, "sentenceSequence": sequence}
        return await self._client.find(_SENTENCE, Sentence, path=path)

    async def booking_sentence(self, booking_id: int, sequence: int) -> Sentence:
        """One sentence of a booking (N11)."""
        path = {"bookingId": booking_id, "sentenceSequence": sequence}
        return await self._client.get(_BOOKING_SENTENCE, Sentence, path=path)

    async def find_booking_sentence(self, booking_id: int, sequence: int) -> Sentence | None:
        """The same, None for none."""
        path = {"bookingId": booking_id, "sentenceSequence": sequence}
        return await self._client.find(_BOOKING_SENTENCE, Sentence, path=path)

    async def recall_sentences(self, booking_id: int) -> list[Sentence]:
        """The active recall sentences of a booking (N12)."""
        template = "/prisoners/booking-id/{bookingId}/sentences/recall"
        return await self._client.get(template, list[Sentence], path={"bookingId": booking_id})

    async def term(self, offender_no: str, booking_id: int, sentence: int, sequence: int) -> SentenceTerm:
        """One term of a sentence (N13)."""
        return await self._client.get(_TERM, SentenceTerm, path=_term(offender_no, booking_id, sentence, sequence))

    async def find_term(self, offender_no: str, booking_id: int, sentence: int, sequence: int) -> SentenceTerm | None:
        """The same, None for none."""
        return await self._client.find(_TERM, SentenceTerm, path=_term(offender_no, booking_id, sentence, sequence))


def _term(offender_no: str, booking_id: int, sentence: int, sequence: int) -> dict[str, object]:
    return {
        "offenderNo": offender_no,
        "bookingId": booking_id,
        "sentenceSequence": sentence,
        "termSequence": sequence,
    }
