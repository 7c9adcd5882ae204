"""Court cases that come, change and go in NOMIS, with all the events by which NOMIS would tell of them."""

from collections.abc import Callable, Mapping
from typing import Any

from nomis_pipelines.sandbox.control import SandboxAdmin

Event = dict[str, Any]
Publish = Callable[..., Event]


class CourtEvents:
    """Changes cases and tells of it. `publish` sends one event of NOMIS; the last one sent is given back."""

    def __init__(self, admin: SandboxAdmin, publish: Publish) -> None:
        self._admin = admin
        self._publish = publish

    def case_inserted(self, booking_id: int, like: int) -> Event:
        """Make a case on a booking, alike to another one with all its parts: parents are told of before children."""
        case = self._admin.add_court_case(booking_id, like)
        told = self._tell("OFFENDER_CASES-INSERTED", case, caseId=case["id"])
        for event in case["courtEvents"]:
            self._tell("COURT_EVENTS-INSERTED", case, eventId=event["id"], caseId=case["id"])
            for charge in event["courtEventCharges"]:
                self._tell("COURT_EVENT_CHARGES-INSERTED", case, **_on_event(event, charge))
        for sentence in case["sentences"]:
            told = self._tell("OFFENDER_SENTENCES-INSERTED", case, **_of_sentence(case, sentence))
            for term in sentence["sentenceTerms"]:
                told = self._tell("OFFENDER_SENTENCE_TERMS-INSERTED", case, **_of_term(sentence, term))
        return told

    def appearance_updated(self, case_id: int, comment: str) -> Event:
        """Change the comment of a case's last appearance."""
        case = self._admin.court_case(case_id)
        cases = self._admin.court_cases(case["bookingId"])
        event = next(each for each in cases if each["id"] == case_id)["courtEvents"][-1]
        event |= {"commentText": comment, "modifiedByUsername": "CLERK9"}
        self._admin.put_court_cases(case["bookingId"], cases)
        return self._tell("COURT_EVENTS-UPDATED", case, eventId=event["id"], caseId=case_id)

    def case_deleted(self, case_id: int) -> Event:
        """Delete a case with all its parts: children are told of before parents."""
        case = self._admin.court_case(case_id)
        cases = [each for each in self._admin.court_cases(case["bookingId"]) if each["id"] != case_id]
        self._admin.put_court_cases(case["bookingId"], cases)
        for sentence in case["sentences"]:
            for term in sentence["sentenceTerms"]:
                self._tell("OFFENDER_SENTENCE_TERMS-DELETED", case, **_of_term(sentence, term))
            self._tell("OFFENDER_SENTENCES-DELETED", case, **_of_sentence(case, sentence))
        for event in case["courtEvents"]:
            for charge in event["courtEventCharges"]:
                self._tell("COURT_EVENT_CHARGES-DELETED", case, **_on_event(event, charge))
            self._tell("COURT_EVENTS-DELETED", case, eventId=event["id"], caseId=case_id)
        return self._tell("OFFENDER_CASES-DELETED", case, caseId=case_id)

    def _tell(self, event_type: str, case: Mapping[str, Any], **fields: object) -> Event:
        names = {"offenderIdDisplay": case["offenderNo"], "bookingId": case["bookingId"]}
        return self._publish(event_type, **names, **fields, auditModuleName="OCUCOEVT")


def _on_event(event: Mapping[str, Any], charge: Mapping[str, Any]) -> dict[str, object]:
    return {"eventId": event["id"], "chargeId": charge["offenderCharge"]["id"]}


def _of_sentence(case: Mapping[str, Any], sentence: Mapping[str, Any]) -> dict[str, object]:
    return {
        "sentenceSeq": sentence["sentenceSeq"],
        "sentenceLevel": "IND",
        "sentenceCategory": sentence["category"]["code"],
        "caseId": case["id"],
    }


def _of_term(sentence: Mapping[str, Any], term: Mapping[str, Any]) -> dict[str, object]:
    return {"sentenceSeq": sentence["sentenceSeq"], "termSequence": term["termSequence"]}
