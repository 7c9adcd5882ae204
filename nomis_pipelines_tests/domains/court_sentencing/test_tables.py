"""Promise: every row of the tables of section 7 of the court sentencing card: writes, and telemetry to the letter."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from nomis_pipelines.http import ServiceError
from nomis_pipelines.synchronisation import HandlerError
from nomis_pipelines_tests.domains.court_sentencing.conftest import Court
from nomis_pipelines_tests.domains.court_sentencing.examples import (
    BOOKING,
    CASE,
    CHARGE,
    FIRST,
    LAST,
    NEW,
    OTHER_CASE,
    PRISONER,
    SENTENCE,
    TERM,
    Key,
)

pytestmark = pytest.mark.server

P = f"/prisoners/{PRISONER}"
EVENT = f"{P}/sentencing/court-appearances/81001"
EVENT_CHARGE = f"{EVENT}/charges/9101"
OF_CASE = f"{P}/court-cases/70001/sentences/1"
OF_BOOKING = f"/prisoners/booking-id/{BOOKING}/sentences/1"
OF_TERM = f"{P}/sentence-terms/booking-id/{BOOKING}/sentence-sequence/1/term-sequence/1"
MOVEMENT = "appearance not associated with a court case, for example generated as part of a movement"

NAMES = {"offenderIdDisplay": PRISONER, "bookingId": str(BOOKING), "auditModuleName": "OCUCOEVT"}
OF = {
    "OFFENDER_CASES": {**NAMES, "caseId": "70001"},
    "COURT_EVENTS": {**NAMES, "eventId": "81001", "caseId": "70001"},
    "COURT_EVENT_CHARGES": {**NAMES, "eventId": "81001", "chargeId": "9101"},
    "OFFENDER_CHARGES": {**NAMES, "chargeId": "9101", "offenceCodeChange": "true"},
    "OFFENDER_SENTENCES": {
        **NAMES, "sentenceSeq": "1", "sentenceLevel": "IND", "sentenceCategory": "2020", "caseId": "70001",
    },
    "OFFENDER_SENTENCE_CHARGES": {**NAMES, "sentenceSeq": "1", "chargeId": "9101"},
    "OFFENDER_SENTENCE_TERMS": {**NAMES, "sentenceSeq": "1", "termSequence": "1"},
    "OFFENDER_CASE_IDENTIFIERS": {
        "caseId": "70001", "identifierType": "CROWN", "identifierNo": "T2024/9", "auditModuleName": "OCUCOEVT",
    },
    "OFFENDER_FIXED_TERM_RECALLS": {**NAMES, "eventType": "OFFENDER_FIXED_TERM_RECALLS-UPDATED"},
}  # fmt: skip
COMBINED = {"combinedCaseId": "70002"}
LINK = {"caseId": "70002", "combinedCaseId": "70001", "eventDatetime": "2025-03-13T09:30:00"}

PRISONER_AND_BOOKING = {"offenderNo": PRISONER, "nomisBookingId": str(BOOKING)}
C = {"nomisCourtCaseId": "70001", **PRISONER_AND_BOOKING}
L = {**C, "nomisCombinedCourtCaseId": "70002"}
A = {"nomisCourtAppearanceId": "81001", **PRISONER_AND_BOOKING}
H = {**A, "nomisOffenderChargeId": "9101"}
HL = {**H, "nomisCourtCaseId": "70002", "nomisCombinedCourtCaseId": "70001"}
O = {"nomisOffenderChargeId": "9101", **PRISONER_AND_BOOKING}  # noqa: E741 - as short as its neighbours
S = {
    "nomisSentenceSequence": "1", "nomisSentenceCategory": "2020", "nomisSentenceLevel": "IND", "nomisCaseId": "70001",
    **PRISONER_AND_BOOKING,
}  # fmt: skip
SC = {"nomisSentenceSequence": "1", "nomisChargeId": "9101", **PRISONER_AND_BOOKING}
T = {"nomisSentenceSequence": "1", "nomisTermSequence": "1", **PRISONER_AND_BOOKING}
I = {  # noqa: E741 - as short as its neighbours
    "nomisIdentifiersNo": "T2024/9", "nomisIdentifiersType": "CROWN", "nomisCourtCaseId": "70001",
}  # fmt: skip
R = {"bookingId": str(BOOKING), "offenderNo": PRISONER, "changeType": "OFFENDER_FIXED_TERM_RECALLS-UPDATED"}
UPDATED_SENTENCE = {
    "dpsSentenceId": SENTENCE, "nomisSentenceCalc": "ADIMP", "nomisCourtAppearanceId": "81002",
    "dpsCourtAppearanceId": LAST, "nomisOrderId": "555", "dpsChargeIds": CHARGE, "nomisChargeIds": "9101",
}  # fmt: skip
LOST = ("charge-mapping-missing", {
    "nomisBookingId": str(BOOKING), "nomisSentenceSequence": "1", "nomisChargeIds": "9101",
})  # fmt: skip
NO_CHARGE = (
    "Unable to find mapping for nomis offender charges in the context of sentence: "
    f"bookingId= {BOOKING} sentenceSequence= 1"
)
NO_FOLLOWED = f"Consecutive Sentence with sequence 7 has not been mapped. For sentence sequence 1 and booking {BOOKING}"

c, a, h, s, t = ("case", 70001), ("appearance", 81001), ("charge", 9101), ("sentence", BOOKING, 1), (
    "term", BOOKING, 1, 1,
)  # fmt: skip
last: Key = ("appearance", 81002)
CASE_TEMPLATE = "/legacy/court-case/{courtCaseUuid}"
CASE_PATH, LINKS = f"/legacy/court-case/{CASE}", f"/legacy/court-case/{CASE}/link/{OTHER_CASE}"
ON_FIRST = f"/legacy/court-appearance/{FIRST}/charge/{CHARGE}"


@dataclass(frozen=True)
class Row:
    """One row: what is not mapped or not in NOMIS, what is different in the event; what is told and written then."""

    event: str
    told: list[tuple[str, dict[str, str]]]
    writes: list[str] = field(default_factory=list[str])
    body: dict[str, str] = field(default_factory=dict[str, str])
    unmapped: tuple[Key, ...] = ()
    gone: tuple[str, ...] = ()
    changed: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    fails: bool = False
    refused: str = ""
    without: str = ""


def row(event: str, name: str, told: dict[str, str], *writes: str, **more: Any) -> Row:
    """A row that tells one thing."""
    return Row(event, [(name, told)], list(writes), **more)


DPS_MADE = {"auditModuleName": "DPS_SYNCHRONISATION"}
FLUSHED = {"auditModuleName": "FLUSH_SCHEDULES"}
NO_CASE = {"caseId": "null"}
LICENCE = {"sentenceCategory": "LICENCE"}
S_LICENCE = {**S, "nomisSentenceCategory": "LICENCE"}

CASES = [
    row("OFFENDER_CASES-INSERTED", "court-case-synchronisation-created-skipped", C, body=DPS_MADE),
    Row("OFFENDER_CASES-INSERTED", [], unmapped=(c,), gone=(f"{P}/sentencing/court-cases/70001",), fails=True),
    row("OFFENDER_CASES-INSERTED", "court-case-synchronisation-created-ignored", {**C, "dpsCourtCaseId": CASE}),
    row(
        "OFFENDER_CASES-INSERTED", "court-case-synchronisation-created-success", {**C, "dpsCourtCaseId": NEW},
        "POST /legacy/court-case", unmapped=(c,),
    ),
    row(
        "OFFENDER_CASES-INSERTED", "court-case-synchronisation-created-error",
        {**C, "error": "court-sentencing POST /legacy/court-case answered 400"},
        "POST /legacy/court-case", unmapped=(c,), refused="POST dps /legacy/court-case", fails=True,
    ),
    row("OFFENDER_CASES-UPDATED", "court-case-synchronisation-updated-skipped", C, body=DPS_MADE),
    row("OFFENDER_CASES-UPDATED", "court-case-synchronisation-updated-failed", C, unmapped=(c,), fails=True),
    row(
        "OFFENDER_CASES-UPDATED", "court-case-synchronisation-updated-success", {**C, "dpsCourtCaseId": CASE},
        f"PUT {CASE_PATH}",
    ),
    Row("OFFENDER_CASES-UPDATED", [], [f"PUT {CASE_PATH}"], refused=f"PUT dps {CASE_PATH}", fails=True),
    row("OFFENDER_CASES-DELETED", "court-case-synchronisation-deleted-ignored", C, unmapped=(c,), body=DPS_MADE),
    row(
        "OFFENDER_CASES-DELETED", "court-case-synchronisation-deleted-success", {**C, "dpsCourtCaseId": CASE},
        f"DELETE {CASE_PATH}", f"DELETE mapping /court-cases/dps-court-case-id/{CASE}", body=DPS_MADE,
    ),
    row(
        "OFFENDER_CASES-DELETED", "court-case-synchronisation-deleted-error",
        {**C, "dpsCourtCaseId": CASE, "error": f"court-sentencing DELETE {CASE_TEMPLATE} answered 400"},
        f"DELETE {CASE_PATH}", refused=f"DELETE dps {CASE_PATH}", fails=True,
    ),
    row("OFFENDER_CASES-LINKED", "court-case-synchronisation-link-skipped", L, body={**COMBINED, **DPS_MADE}),
    row("OFFENDER_CASES-UNLINKED", "court-case-synchronisation-unlink-skipped", L, body={**COMBINED, **DPS_MADE}),
    row(
        "OFFENDER_CASES-LINKED", "court-case-synchronisation-link-success",
        {**L, "dpsSourceCourtCaseId": CASE, "dpsTargetCourtCaseId": OTHER_CASE}, f"PUT {LINKS}", body=COMBINED,
    ),
    row(
        "OFFENDER_CASES-UNLINKED", "court-case-synchronisation-unlink-success",
        {**L, "dpsSourceCourtCaseId": CASE, "dpsTargetCourtCaseId": OTHER_CASE},
        f"PUT {LINKS.replace('/link/', '/unlink/')}", body=COMBINED,
    ),
    row(
        "OFFENDER_CASES-LINKED", "court-case-synchronisation-link-error",
        {**L, "dpsSourceCourtCaseId": CASE}, body=COMBINED, unmapped=(("case", 70002),), fails=True, without="error",
    ),
    *(
        row(
            f"OFFENDER_CASE_IDENTIFIERS-{what}", "case-identifiers-synchronisation-skipped",
            {**I, "eventType": f"OFFENDER_CASE_IDENTIFIERS-{what}"}, body=DPS_MADE,
        )
        for what in ("INSERTED", "UPDATED", "DELETED")
    ),
    row(
        "OFFENDER_CASE_IDENTIFIERS-DELETED", "case-identifiers-synchronisation-skipped",
        {**I, "eventType": "OFFENDER_CASE_IDENTIFIERS-DELETED", "isDelete": "true"}, unmapped=(c,),
    ),
    row(
        "OFFENDER_CASE_IDENTIFIERS-INSERTED", "case-identifiers-synchronisation-failed",
        {**I, "eventType": "OFFENDER_CASE_IDENTIFIERS-INSERTED", "isDelete": "false"}, unmapped=(c,), fails=True,
    ),
    row(
        "OFFENDER_CASE_IDENTIFIERS-DELETED", "case-identifiers-synchronisation-success",
        {**I, "eventType": "OFFENDER_CASE_IDENTIFIERS-DELETED", "dpsCourtCaseId": CASE, "offenderNo": PRISONER},
        f"PUT {CASE_PATH}/case-references/refresh",
    ),
    Row("OFFENDER_CASE_IDENTIFIERS-UPDATED", [], gone=("/court-cases/70001",), fails=True),
]  # fmt: skip

APPEARANCE_TOLD = {**A, "nomisCourtCaseId": "70001", "dpsCourtCaseId": CASE}
APPEARANCES = [
    row(
        "COURT_EVENTS-INSERTED", "court-appearance-synchronisation-created-ignored", {**A, "reason": MOVEMENT},
        body={**NO_CASE, **DPS_MADE},
    ),
    row("COURT_EVENTS-INSERTED", "court-appearance-synchronisation-created-skipped", A, body=DPS_MADE),
    Row("COURT_EVENTS-INSERTED", [], gone=(EVENT,), fails=True),
    row(
        "COURT_EVENTS-INSERTED", "court-appearance-synchronisation-created-ignored",
        {**A, "dpsCourtAppearanceId": FIRST, "reason": "appearance already mapped"},
    ),
    row(
        "COURT_EVENTS-INSERTED", "court-appearance-synchronisation-created-failed",
        {**A, "nomisCourtCaseId": "70001", "reason": "associated court case is not mapped"},
        unmapped=(a, c), fails=True,
    ),
    Row("COURT_EVENTS-INSERTED", [], unmapped=(a,), changed={EVENT: {"caseId": None}}, fails=True),
    row(
        "COURT_EVENTS-INSERTED", "court-appearance-synchronisation-created-success",
        {**APPEARANCE_TOLD, "dpsCourtAppearanceId": NEW}, "POST /legacy/court-appearance", unmapped=(a,),
    ),
    row(
        "COURT_EVENTS-INSERTED", "court-appearance-synchronisation-created-error", APPEARANCE_TOLD,
        "POST /legacy/court-appearance", unmapped=(a,), refused="POST dps /legacy/court-appearance", fails=True,
        without="error",
    ),
    row(
        "COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-ignored", {**A, "reason": MOVEMENT},
        body={**NO_CASE, **FLUSHED},
    ),
    row(
        "COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-ignored",
        {**A, "reason": "update triggered by the flush schedules nightly batch job"}, body=FLUSHED,
    ),
    row("COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-skipped", A, body=DPS_MADE),
    row(
        "COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-ignored",
        {**A, "reason": "court appearance does not exist in nomis"}, gone=(EVENT,),
    ),
    row("COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-failed", A, unmapped=(a,), fails=True),
    row(
        "COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-awaiting-parent",
        {**A, "nomisCourtCaseId": "70001", "reason": "associated court case is not mapped"}, unmapped=(c,), fails=True,
    ),
    row(
        "COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-success",
        {**A, "dpsCourtAppearanceId": FIRST, "nomisCaseId": "70001", "nomisOutcomeCode": "4506"},
        f"PUT /legacy/court-appearance/{FIRST}",
    ),
    row(
        "COURT_EVENTS-UPDATED", "court-appearance-synchronisation-updated-error",
        {**A, "dpsCourtAppearanceId": FIRST, "nomisCaseId": "70001", "nomisOutcomeCode": "null"},
        f"PUT /legacy/court-appearance/{FIRST}", refused=f"PUT dps /legacy/court-appearance/{FIRST}", fails=True,
        changed={EVENT: {"outcomeReasonCode": None}}, without="error",
    ),
    row("COURT_EVENTS-DELETED", "court-appearance-synchronisation-deleted-ignored", A, unmapped=(a,), body=NO_CASE),
    row(
        "COURT_EVENTS-DELETED", "court-appearance-synchronisation-deleted-success",
        {**A, "dpsCourtAppearanceId": FIRST}, f"DELETE /legacy/court-appearance/{FIRST}",
        f"DELETE mapping /court-appearances/dps-court-appearance-id/{FIRST}", body=DPS_MADE,
    ),
]  # fmt: skip

ATTACHED = {
    **H, "dpsCourtAppearanceId": FIRST, "dpsChargeId": CHARGE, "existingDpsCharge": "true", "nomisOutcomeCode": "null",
}  # fmt: skip
MADE = {**H, "dpsCourtAppearanceId": FIRST, "existingDpsCharge": "false", "nomisOutcomeCode": "null"}
CHARGES = [
    row("COURT_EVENT_CHARGES-INSERTED", "court-charge-synchronisation-created-skipped", H, body=DPS_MADE),
    row(
        "COURT_EVENT_CHARGES-INSERTED", "court-charge-synchronisation-created-awaiting-parent",
        {**H, "reason": "court appearance is not mapped"}, unmapped=(a,), fails=True,
    ),
    row(
        "COURT_EVENT_CHARGES-INSERTED", "court-charge-synchronisation-created-success", ATTACHED, f"PUT {ON_FIRST}",
    ),
    row(
        "COURT_EVENT_CHARGES-INSERTED", "court-charge-synchronisation-created-error", ATTACHED, f"PUT {ON_FIRST}",
        refused=f"PUT dps {ON_FIRST}", fails=True, without="error",
    ),
    row(
        "COURT_EVENT_CHARGES-INSERTED", "court-charge-synchronisation-created-success", {**MADE, "dpsChargeId": NEW},
        "POST /legacy/charge", unmapped=(h,),
    ),
    row(
        "COURT_EVENT_CHARGES-INSERTED", "court-charge-synchronisation-created-error", MADE, "POST /legacy/charge",
        unmapped=(h,), refused="POST dps /legacy/charge", fails=True, without="error",
    ),
    Row("COURT_EVENT_CHARGES-INSERTED", [], gone=(EVENT_CHARGE,), fails=True),
    row("COURT_EVENT_CHARGES-UPDATED", "court-charge-synchronisation-updated-skipped", H, body=DPS_MADE),
    row(
        "COURT_EVENT_CHARGES-UPDATED", "court-charge-synchronisation-updated-awaiting-parent",
        {**H, "reason": "associated court appearance is not mapped"}, unmapped=(a,), fails=True,
    ),
    row(
        "COURT_EVENT_CHARGES-UPDATED", "court-charge-synchronisation-updated-failed",
        {**H, "reason": "charge is not mapped"}, unmapped=(h,), fails=True,
    ),
    row(
        "COURT_EVENT_CHARGES-UPDATED", "court-charge-synchronisation-updated-ignored",
        {**H, "reason": "charge no longer exists in nomis"}, gone=(EVENT_CHARGE,),
    ),
    row(
        "COURT_EVENT_CHARGES-UPDATED", "court-charge-synchronisation-updated-success",
        {
            **H, "dpsChargeId": CHARGE, "dpsCourtAppearanceId": FIRST, "nomisOutcomeCode": "null",
            "offenceCode": "TH68010",
        },
        f"PUT /legacy/charge/{CHARGE}/appearance/{FIRST}",
    ),
    row("COURT_EVENT_CHARGES-DELETED", "court-charge-synchronisation-deleted-skipped", H, body=DPS_MADE),
    row(
        "COURT_EVENT_CHARGES-DELETED", "court-charge-synchronisation-deleted-skipped",
        {**H, "reason": "court appearance is not mapped"}, unmapped=(a,),
    ),
    row(
        "COURT_EVENT_CHARGES-DELETED", "court-charge-synchronisation-deleted-skipped",
        {**H, "dpsCourtAppearanceId": FIRST, "reason": "charge is not mapped"}, unmapped=(h,),
    ),
    row(
        "COURT_EVENT_CHARGES-DELETED", "court-charge-synchronisation-deleted-success",
        {**H, "dpsCourtAppearanceId": FIRST, "dpsChargeId": CHARGE}, f"DELETE {ON_FIRST}",
    ),
    row(
        "COURT_EVENT_CHARGES-DELETED", "court-charge-synchronisation-deleted-error",
        {**H, "dpsCourtAppearanceId": FIRST, "dpsChargeId": CHARGE}, f"DELETE {ON_FIRST}",
        refused=f"DELETE dps {ON_FIRST}", fails=True, without="error",
    ),
    row("COURT_EVENT_CHARGES-LINKED", "court-charge-synchronisation-link-skipped", HL, body={**LINK, **DPS_MADE}),
    row(
        "COURT_EVENT_CHARGES-LINKED", "court-charge-synchronisation-link-success",
        {**HL, "dpsSourceCourtCaseId": OTHER_CASE, "dpsCourtAppearanceId": FIRST, "dpsCourtChargeId": CHARGE},
        f"PUT {ON_FIRST}/link", body=LINK,
    ),
    row(
        "COURT_EVENT_CHARGES-LINKED", "court-charge-synchronisation-link-error",
        {**HL, "dpsSourceCourtCaseId": OTHER_CASE, "dpsCourtAppearanceId": FIRST}, body=LINK, unmapped=(h,),
        fails=True, without="error",
    ),
    row(
        "OFFENDER_CHARGES-UPDATED", "court-charge-synchronisation-updated-skipped",
        {**O, "reason": "OFFENDER_CHARGES-UPDATED change is not an offence code change"},
        body={"offenceCodeChange": "false", **DPS_MADE},
    ),
    row(
        "OFFENDER_CHARGES-UPDATED", "court-charge-synchronisation-updated-skipped",
        {**O, "reason": "Change originates from DPS"}, body=DPS_MADE,
    ),
    row(
        "OFFENDER_CHARGES-UPDATED", "court-charge-synchronisation-updated-failed",
        {**O, "reason": "charge is not mapped"}, unmapped=(h,), fails=True,
    ),
    Row("OFFENDER_CHARGES-UPDATED", [], gone=(f"{P}/sentencing/offender-charges/9101",), fails=True),
    row(
        "OFFENDER_CHARGES-UPDATED", "court-charge-synchronisation-updated-success",
        {**O, "dpsChargeId": CHARGE, "offenceCode": "TH68010", "reason": "offence code changed"},
        f"PUT /legacy/charge/{CHARGE}",
    ),
]  # fmt: skip

PARENT = {"reason": "parent court appearance 81002 is not mapped"}
SENTENCE_PATH = f"/legacy/sentence/{SENTENCE}"
SENTENCES = [
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-skipped", {**S, "reason": "created in dps"},
        body=DPS_MADE,
    ),
    *(
        row(
            f"OFFENDER_SENTENCES-{what}", f"sentence-synchronisation-{did}-ignored",
            {**S_LICENCE, "reason": "sentence not in scope"}, body=LICENCE,
        )
        for what, did in (("INSERTED", "created"), ("UPDATED", "updated"), ("DELETED", "deleted"))
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-ignored",
        {**S, "nomisCaseId": "null", "reason": "sentence not in scope"}, body=NO_CASE,
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-ignored",
        {**S, "nomisSentenceLevel": "AGG", "reason": "sentence not in scope"}, body={"sentenceLevel": "AGG"},
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-ignored",
        {**S, "reason": "sentence mapping exists"},
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-awaiting-parent",
        {**S, "reason": "Nomis court case 70001 is not mapped"}, unmapped=(s, c), fails=True,
    ),
    Row("OFFENDER_SENTENCES-INSERTED", [], unmapped=(s,), gone=(OF_CASE,), fails=True),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-failed",
        {**S, "reason": "No charges associated with sentence"}, unmapped=(s,),
        changed={OF_CASE: {"offenderCharges": []}}, fails=True,
    ),
    Row("OFFENDER_SENTENCES-INSERTED", [], unmapped=(s,), changed={OF_CASE: {"courtOrder": None}}, fails=True),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-awaiting-parent", {**S, **PARENT},
        unmapped=(s, last), fails=True,
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-success", {**S, "dpsSentenceId": NEW},
        "POST /legacy/sentence", unmapped=(s,),
    ),
    Row(
        "OFFENDER_SENTENCES-INSERTED",
        [LOST, ("sentence-synchronisation-created-error", {**S, "error": NO_CHARGE})], unmapped=(s, h), fails=True,
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-error", {**S, "error": NO_FOLLOWED},
        unmapped=(s,), changed={OF_CASE: {"consecSequence": 7}}, fails=True,
    ),
    row(
        "OFFENDER_SENTENCES-INSERTED", "sentence-synchronisation-created-error", S, "POST /legacy/sentence",
        unmapped=(s,), refused="POST dps /legacy/sentence", fails=True, without="error",
    ),
    row("OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-skipped", S, body=DPS_MADE),
    row("OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-failed", S, unmapped=(s,), fails=True),
    row(
        "OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-skipped",
        {**S, "reason": "sentence does not exist in nomis, no update required"}, unmapped=(s,), gone=(OF_CASE,),
    ),
    Row("OFFENDER_SENTENCES-UPDATED", [], gone=(OF_CASE,), fails=True),
    row(
        "OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-awaiting-parent", {**S, **PARENT},
        unmapped=(last,), fails=True,
    ),
    row(
        "OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-success", {**S, **UPDATED_SENTENCE},
        f"PUT {SENTENCE_PATH}",
    ),
    row(
        "OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-success",
        {**S, **UPDATED_SENTENCE, "dpsChargeIds": "", "nomisChargeIds": ""}, f"PUT {SENTENCE_PATH}",
        changed={OF_CASE: {"offenderCharges": []}},
    ),
    Row("OFFENDER_SENTENCES-UPDATED", [LOST], unmapped=(h,), fails=True),
    row(
        "OFFENDER_SENTENCES-UPDATED", "sentence-synchronisation-updated-error",
        {**S, **UPDATED_SENTENCE, "error": NO_FOLLOWED}, changed={OF_CASE: {"consecSequence": 7}}, fails=True,
    ),
    row(
        "OFFENDER_SENTENCES-DELETED", "sentence-synchronisation-deleted-skipped", {**S, "reason": "created in dps"},
        body=DPS_MADE,
    ),
    row("OFFENDER_SENTENCES-DELETED", "sentence-synchronisation-deleted-ignored", S, unmapped=(s,)),
    row(
        "OFFENDER_SENTENCES-DELETED", "sentence-synchronisation-deleted-success", {**S, "dpsSentenceId": SENTENCE},
        f"DELETE {SENTENCE_PATH}", f"DELETE mapping /sentences/dps-sentence-id/{SENTENCE}",
    ),
    row(
        "OFFENDER_SENTENCES-DELETED", "sentence-synchronisation-deleted-error", {**S, "dpsSentenceId": SENTENCE},
        f"DELETE {SENTENCE_PATH}", refused=f"DELETE dps {SENTENCE_PATH}", fails=True, without="error",
    ),
]  # fmt: skip

NOT_IN_NOMIS = {"reason": "sentence does not exist in nomis, no update required"}
NOT_MAPPED = {"reason": "sentence mapping does not exist, no update required"}
REFRESHES = [
    *(
        row(
            f"OFFENDER_SENTENCE_CHARGES-{what.upper()}", f"sentence-charge-synchronisation-{what}-skipped",
            {**SC, "reason": "originates from DPS"}, body=DPS_MADE,
        )
        for what in ("inserted", "deleted")
    ),
    *(
        row(
            f"OFFENDER_SENTENCE_CHARGES-{what.upper()}", f"sentence-charge-synchronisation-{what}-skipped",
            {**SC, **NOT_MAPPED}, unmapped=(s,),
        )
        for what in ("inserted", "deleted")
    ),
    *(
        row(
            f"OFFENDER_SENTENCE_CHARGES-{what.upper()}", f"sentence-charge-synchronisation-{what}-success",
            {**SC, "dpsSentenceId": SENTENCE}, f"PUT {SENTENCE_PATH}",
        )
        for what in ("inserted", "deleted")
    ),
    *(
        row(
            f"OFFENDER_SENTENCE_CHARGES-{what.upper()}", f"sentence-charge-synchronisation-{what}-error",
            {**SC, "dpsSentenceId": SENTENCE}, unmapped=(last,), fails=True, without="error",
        )
        for what in ("inserted", "deleted")
    ),
    Row("OFFENDER_SENTENCE_CHARGES-INSERTED", [], gone=(OF_BOOKING,), fails=True),
    *(
        row(
            "OFFENDER_SENTENCE_CHARGES-DELETED", "sentence-charge-synchronisation-deleted-skipped",
            {**SC, **NOT_IN_NOMIS}, unmapped=unmapped, gone=(OF_BOOKING,),
        )
        for unmapped in ((), (s,))
    ),
    row("OFFENDER_FIXED_TERM_RECALLS-UPDATED", "recall-custody-date-synchronisation-skipped", R, body=DPS_MADE),
    row(
        "OFFENDER_FIXED_TERM_RECALLS-UPDATED", "recall-custody-date-synchronisation-success", R, f"PUT {SENTENCE_PATH}",
    ),
    row("OFFENDER_FIXED_TERM_RECALLS-UPDATED", "recall-custody-date-synchronisation-success", R, unmapped=(s,)),
    row(
        "OFFENDER_FIXED_TERM_RECALLS-UPDATED", "recall-custody-date-synchronisation-error", R, unmapped=(last,),
        fails=True, without="error",
    ),
]  # fmt: skip

TERM_PATH = f"/legacy/period-length/{TERM}"
TERMS = [
    row(
        "OFFENDER_SENTENCE_TERMS-INSERTED", "sentence-term-synchronisation-created-skipped",
        {**T, "reason": "created in dps"}, body=DPS_MADE,
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-INSERTED", "sentence-term-synchronisation-created-awaiting-parent",
        {**T, "reason": "parent sentence not mapped"}, unmapped=(s,), fails=True,
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-INSERTED", "sentence-term-synchronisation-created-ignored",
        {**T, "reason": "sentence term mapping exists"},
    ),
    Row("OFFENDER_SENTENCE_TERMS-INSERTED", [], unmapped=(t,), gone=(OF_TERM,), fails=True),
    row(
        "OFFENDER_SENTENCE_TERMS-INSERTED", "sentence-term-synchronisation-created-success", {**T, "dpsTermId": NEW},
        "POST /legacy/period-length", unmapped=(t,),
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-INSERTED", "sentence-term-synchronisation-created-error", T,
        "POST /legacy/period-length", unmapped=(t,), refused="POST dps /legacy/period-length", fails=True,
        without="error",
    ),
    row("OFFENDER_SENTENCE_TERMS-UPDATED", "sentence-term-synchronisation-updated-skipped", T, body=DPS_MADE),
    row(
        "OFFENDER_SENTENCE_TERMS-UPDATED", "sentence-term-synchronisation-updated-failed", T, unmapped=(t,), fails=True,
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-UPDATED", "sentence-term-synchronisation-updated-skipped",
        {**T, "reason": "sentence term does not exist in nomis, no update required"}, unmapped=(t,), gone=(OF_TERM,),
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-UPDATED", "sentence-term-synchronisation-awaiting-parent", T, unmapped=(s,),
        fails=True,
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-UPDATED", "sentence-term-synchronisation-updated-success", {**T, "dpsTermId": TERM},
        f"PUT {TERM_PATH}",
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-UPDATED", "sentence-term-synchronisation-updated-error", {**T, "dpsTermId": TERM},
        f"PUT {TERM_PATH}", refused=f"PUT dps {TERM_PATH}", fails=True, without="error",
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-DELETED", "sentence-term-synchronisation-deleted-skipped",
        {**T, "reason": "created in dps"}, body=DPS_MADE,
    ),
    row("OFFENDER_SENTENCE_TERMS-DELETED", "sentence-term-synchronisation-deleted-ignored", T, unmapped=(t,)),
    row(
        "OFFENDER_SENTENCE_TERMS-DELETED", "sentence-term-synchronisation-deleted-success", {**T, "dpsTermId": TERM},
        f"DELETE {TERM_PATH}", f"DELETE mapping /sentence-terms/dps-term-id/{TERM}",
    ),
    row(
        "OFFENDER_SENTENCE_TERMS-DELETED", "sentence-term-synchronisation-deleted-error", {**T, "dpsTermId": TERM},
        f"DELETE {TERM_PATH}", refused=f"DELETE dps {TERM_PATH}", fails=True, without="error",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "wanted",
    [*CASES, *APPEARANCES, *CHARGES, *SENTENCES, *REFRESHES, *TERMS],
    ids=lambda wanted: f"{wanted.event} {', '.join(name for name, _ in wanted.told) or 'tells nothing'}",
)
async def test_each_row_of_the_tables_is_told_and_written_as_the_card_has_it(court: Court, wanted: Row) -> None:
    services, consumer = court.services, court.consumer
    for key in wanted.unmapped:
        del services.mapped[key]
    for path in wanted.gone:
        del services.nomis[path]
    for path, fields in wanted.changed.items():
        services.nomis[path] |= fields
    if wanted.refused:
        services.answer(wanted.refused, httpx.Response(400))
    body = OF[wanted.event.rpartition("-")[0]] | wanted.body
    if wanted.fails:
        with pytest.raises((ServiceError, HandlerError)):
            await consumer.event(wanted.event, **body)
    else:
        await consumer.event(wanted.event, **body)
    told = [
        (name, {key: value for key, value in properties.items() if key != wanted.without})
        for name, properties in consumer.telemetry.events
    ]
    assert told == wanted.told
    writes = [call.replace(" dps ", " ") for call, _ in services.writes]
    assert [each for each in writes if not each.startswith("POST mapping")] == wanted.writes
    mapped = [each for each in writes if each.startswith("POST mapping")]
    assert len(mapped) == sum(NEW in properties.values() for _, properties in wanted.told)
