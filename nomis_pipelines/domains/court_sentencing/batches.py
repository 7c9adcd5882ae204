"""The mappings of whole court cases, from what DPS says each part has become (court sentencing card, section 2.2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from nomis_pipelines.contracts.court_sentencing import CreatedCourtCases
from nomis_pipelines.domains.court_sentencing.entities import (
    APPEARANCE,
    CASE,
    CHARGE,
    ENTITIES,
    SENTENCE,
    TERM,
    CourtKey,
)

Json = dict[str, Any]


def batch_of(
    created: CreatedCourtCases,
    mapping_type: str,
    *,
    label: str | None = None,
    case_type: str | None = None,
    part_type: str | None = None,
) -> Json:
    """The five lists in DPS's order. `case_type` and `part_type` are what items say of themselves, if anything."""
    batch: Json = {"label": label} if label is not None else {}
    return {
        **batch,
        "mappingType": mapping_type,
        CASE.batch: [CASE.pair((each.case_id,), each.court_case_uuid, case_type) for each in created.court_cases],
        APPEARANCE.batch: [
            APPEARANCE.pair((each.event_id,), str(each.appearance_uuid), part_type) for each in created.appearances
        ],
        CHARGE.batch: [
            CHARGE.pair((each.charge_nomis_id,), str(each.charge_uuid), part_type) for each in created.charges
        ],
        SENTENCE.batch: [
            SENTENCE.pair(
                (each.sentence_nomis_id.offender_booking_id, each.sentence_nomis_id.sequence),
                str(each.sentence_uuid),
                part_type,
            )
            for each in created.sentences
        ],
        TERM.batch: [
            TERM.pair(
                (
                    each.sentence_term_nomis_id.offender_booking_id,
                    each.sentence_term_nomis_id.sentence_sequence,
                    each.sentence_term_nomis_id.term_sequence,
                ),
                str(each.period_length_uuid),
                part_type,
            )
            for each in created.sentence_terms
        ],
    }


def settled_by(offender_no: str, batch: Mapping[str, Any]) -> dict[str, str]:
    """NOMIS key in the ledger -> DPS id, of every record that a batch maps."""
    return {
        str(CourtKey.of(offender_no, entity, entity.ids(pair))): pair[entity.dps_field]
        for entity in ENTITIES.values()
        for pair in batch[entity.batch]
    }


def pairs_of(batch: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """Every pair of a batch as comparable values; a list that is missing counts as empty."""
    found: set[tuple[str, ...]] = set()
    for entity in ENTITIES.values():
        pairs: Sequence[Mapping[str, Any]] = batch.get(entity.batch) or ()
        found |= {(entity.name, *map(str, entity.ids(pair)), str(pair[entity.dps_field])) for pair in pairs}
    return found


def first_case(batch: Mapping[str, Any] | None) -> Json:
    """The first case of a batch, by which duplicates are told; `unknown` when it has none (section 9)."""
    cases: Sequence[Mapping[str, Any]] = (batch or {}).get(CASE.batch) or ()
    return dict(cases[0]) if cases else dict.fromkeys(CASE.duplicate_fields, "unknown")
