"""NOMIS adjustment to the adjustments service's: pure rules (adjustments card, section 6)."""

from typing import get_args

from nomis_pipelines.contracts.adjustments import AdjustmentType, LegacyAdjustment
from nomis_pipelines.contracts.nomis_prisoner import KeyDateAdjustment, SentenceAdjustment
from nomis_pipelines.migration.declaration import Rejected

Adjustment = SentenceAdjustment | KeyDateAdjustment

KNOWN_TYPES: frozenset[str] = frozenset(get_args(AdjustmentType.__value__))


def transform(adjustment: Adjustment) -> LegacyAdjustment:
    """The body of create, update and migration. Raises `Rejected` for a type that DPS does not know.

    `currentTerm` is left out when NOMIS tells no booking sequence: the 2024 contract knew neither.
    """
    kind = adjustment.adjustment_type.code
    if kind not in KNOWN_TYPES:
        raise Rejected("unknown-adjustment-type", adjustmentId=adjustment.id, code=kind)
    sequence = adjustment.booking_sequence
    return LegacyAdjustment(
        booking_id=adjustment.booking_id,
        sentence_sequence=adjustment.sentence_sequence if isinstance(adjustment, SentenceAdjustment) else None,
        offender_no=adjustment.offender_no,
        adjustment_type=kind,  # pyright: ignore[reportArgumentType]  # just looked up among the literals
        adjustment_date=adjustment.adjustment_date,
        adjustment_from_date=adjustment.adjustment_from_date,
        adjustment_days=adjustment.adjustment_days,
        comment=adjustment.comment,
        active=adjustment.active,
        booking_released=adjustment.has_been_released,
        agency_id=adjustment.prison_id,
        current_term=None if sequence is None else sequence == 1,
    )
