"""What court sentencing is made of, and how each part is called in NOMIS, DPS, mapping service and ledger.

A charge as at one appearance has no mapping of its own: it is the pair of both (court sentencing card, section 2.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from nomis_pipelines.contracts.nomis_mapping_service import (
    CourtAppearanceMapping,
    CourtCaseMapping,
    CourtChargeMapping,
    SentenceMapping,
    SentenceTermMapping,
)
from nomis_pipelines.ledger import RecordKey

DOMAIN = "court_sentencing"
MAPPINGS = "/mapping/court-sentencing"
NOMIS_CREATED = "NOMIS_CREATED"
MIGRATED = "MIGRATED"


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One kind of record with a mapping of its own.

    `fields` are its NOMIS ids in a mapping and `dps_field` its DPS id, which an answer has as `attribute`; `batch` is
    its list in a batch. `duplicate` names the event of a 409, `duplicate_fields` what it tells; `retry` is our message
    that asks for its mapping and `retried` the event of that message's success (sections 2.3, 7.14 and 9).
    """

    name: str
    fields: tuple[str, ...]
    dps_field: str
    attribute: str
    batch: str
    path: str
    find_path: str
    find_names: tuple[str, ...]
    delete_path: str
    answer: type[BaseModel]
    duplicate: str
    duplicate_fields: tuple[str, ...]
    retry: str
    retried: str

    def pair(self, ids: tuple[int, ...], dps_id: str, mapping_type: str | None) -> dict[str, Any]:
        """The mapping of one record; without a type the service takes its own default (section 2.2)."""
        pair: dict[str, Any] = {**dict(zip(self.fields, ids, strict=True)), self.dps_field: dps_id}
        if mapping_type is not None:
            pair["mappingType"] = mapping_type
        return pair

    def ids(self, pair: Mapping[str, Any]) -> tuple[int, ...]:
        """The NOMIS ids of a mapping."""
        return tuple(int(pair[field]) for field in self.fields)


CASE = Entity(
    name="case",
    fields=("nomisCourtCaseId",),
    dps_field="dpsCourtCaseId",
    attribute="dps_court_case_id",
    batch="courtCases",
    path=f"{MAPPINGS}/court-cases",
    find_path=f"{MAPPINGS}/court-cases/nomis-court-case-id/{{nomisCourtCaseId}}",
    find_names=("nomisCourtCaseId",),
    delete_path=f"{MAPPINGS}/court-cases/dps-court-case-id/{{dpsCourtCaseId}}",
    answer=CourtCaseMapping,
    duplicate="from-nomis-sync-court-case-duplicate",
    duplicate_fields=("dpsCourtCaseId", "nomisCourtCaseId"),
    retry="court_case_synchronisation_retry",
    retried="court-case-mapping-created-synchronisation-success",
)
APPEARANCE = Entity(
    name="appearance",
    fields=("nomisCourtAppearanceId",),
    dps_field="dpsCourtAppearanceId",
    attribute="dps_court_appearance_id",
    batch="courtAppearances",
    path=f"{MAPPINGS}/court-appearances",
    find_path=f"{MAPPINGS}/court-appearances/nomis-court-appearance-id/{{nomisCourtAppearanceId}}",
    find_names=("nomisCourtAppearanceId",),
    delete_path=f"{MAPPINGS}/court-appearances/dps-court-appearance-id/{{dpsCourtAppearanceId}}",
    answer=CourtAppearanceMapping,
    duplicate="from-nomis-sync-court-appearance-duplicate",
    duplicate_fields=("dpsCourtAppearanceId", "nomisCourtAppearanceId"),
    retry="court_appearance_synchronisation_retry",
    retried="court-appearance-mapping-created-synchronisation-success",
)
CHARGE = Entity(
    name="charge",
    fields=("nomisCourtChargeId",),
    dps_field="dpsCourtChargeId",
    attribute="dps_court_charge_id",
    batch="courtCharges",
    path=f"{MAPPINGS}/court-charges",
    find_path=f"{MAPPINGS}/court-charges/nomis-court-charge-id/{{nomisCourtChargeId}}",
    find_names=("nomisCourtChargeId",),
    delete_path="",  # never deleted (section 7.7)
    answer=CourtChargeMapping,
    duplicate="from-nomis-sync-charge-duplicate",
    duplicate_fields=("dpsCourtChargeId", "nomisCourtChargeId"),
    retry="court_charge_synchronisation_retry",
    retried="court-charge-mapping-created-synchronisation-success",
)
SENTENCE = Entity(
    name="sentence",
    fields=("nomisBookingId", "nomisSentenceSequence"),
    dps_field="dpsSentenceId",
    attribute="dps_sentence_id",
    batch="sentences",
    path=f"{MAPPINGS}/sentences",
    find_path=f"{MAPPINGS}/sentences/nomis-booking-id/{{bookingId}}/nomis-sentence-sequence/{{sentenceSequence}}",
    find_names=("bookingId", "sentenceSequence"),
    delete_path=f"{MAPPINGS}/sentences/dps-sentence-id/{{dpsSentenceId}}",
    answer=SentenceMapping,
    duplicate="from-nomis-sync-sentence-duplicate",
    duplicate_fields=("dpsSentenceId", "nomisSentenceSequence", "nomisBookingId"),
    retry="sentence_synchronisation_retry",
    retried="sentence-mapping-created-synchronisation-success",
)
TERM = Entity(
    name="term",
    fields=("nomisBookingId", "nomisSentenceSequence", "nomisTermSequence"),
    dps_field="dpsTermId",
    attribute="dps_term_id",
    batch="sentenceTerms",
    path=f"{MAPPINGS}/sentence-terms",
    find_path=(
        f"{MAPPINGS}/sentence-terms/nomis-booking-id/{{bookingId}}/nomis-sentence-sequence/{{sentenceSequence}}"
        "/nomis-term-sequence/{termSequence}"
    ),
    find_names=("bookingId", "sentenceSequence", "termSequence"),
    delete_path=f"{MAPPINGS}/sentence-terms/dps-term-id/{{dpsTermId}}",
    answer=SentenceTermMapping,
    duplicate="from-nomis-sync-sentence-term-duplicate",
    duplicate_fields=("dpsTermId", "nomisSentenceSequence", "nomisTermSequence", "nomisBookingId"),
    retry="sentence_term_synchronisation_retry",
    retried="sentence-term-mapping-created-synchronisation-success",
)
ENTITIES = {entity.name: entity for entity in (CASE, APPEARANCE, CHARGE, SENTENCE, TERM)}


def entity_of(pair: Mapping[str, Any]) -> Entity:
    """Whose pair a mapping is, by the name of its DPS id. Raises `LookupError`."""
    for entity in ENTITIES.values():
        if entity.dps_field in pair:
            return entity
    raise LookupError("a mapping without a DPS id of court sentencing")


@dataclass(frozen=True, slots=True)
class CourtKey:
    """Something that an event made, under the prisoner it was on: one record, or a merge or clone as a whole.

    In the ledger a prisoner whom a migration wrote stands under the bare number, which has no slash.
    """

    offender_no: str
    kind: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join((self.offender_no, self.kind, *self.ids))

    @classmethod
    def of(cls, offender_no: str, entity: Entity, ids: tuple[int, ...]) -> "CourtKey":
        """The key of a record."""
        return cls(offender_no, entity.name, tuple(map(str, ids)))

    @classmethod
    def parse(cls, text: str) -> "CourtKey":
        """From its text. Raises `ValueError`."""
        offender_no, kind, *ids = text.split("/")
        if not ids:
            raise ValueError(f"{text} is not a record of court sentencing")
        return cls(offender_no, kind, tuple(ids))

    @property
    def entity(self) -> Entity | None:
        """What kind of record it is; None for a merge or a clone."""
        return ENTITIES.get(self.kind)

    @property
    def ledger_key(self) -> RecordKey:
        """Its key in the ledger."""
        return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(self))
