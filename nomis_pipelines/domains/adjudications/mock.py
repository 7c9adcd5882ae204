"""The adjudications service played by the control API, so that a migration can be rehearsed without it (section 8)."""

import logging
import random

from nomis_pipelines.contracts.adjudications import (
    AdjudicationMigrateDto,
    ChargeNumberMapping,
    HearingMapping,
    MigrateResponse,
    PunishmentMapping,
)
from nomis_pipelines.domains.declaration import Mock

log = logging.getLogger(__name__)


def _any_id() -> int:
    """Any signed number of 64 bits: the card has them random, and negative ones among them."""
    return random.getrandbits(64) - 2**63


def played(charge: AdjudicationMigrateDto) -> MigrateResponse:
    """What DPS would answer: a charge number made of NOMIS's numbers, an id for each hearing and each punishment."""
    number = f"{charge.oic_incident_id}-{charge.offence_sequence}"
    log.info(
        "rehearsed adjudication %s: %d hearings, %d punishments", number, len(charge.hearings), len(charge.punishments)
    )
    return MigrateResponse(
        charge_number_mapping=ChargeNumberMapping(
            charge_number=number,
            oic_incident_id=charge.oic_incident_id,
            offence_sequence=charge.offence_sequence,
        ),
        hearing_mappings=[
            HearingMapping(hearing_id=_any_id(), oic_hearing_id=hearing.oic_hearing_id) for hearing in charge.hearings
        ],
        punishment_mappings=[
            PunishmentMapping(
                punishment_id=_any_id(), booking_id=charge.booking_id, sanction_seq=punishment.sanction_seq
            )
            for punishment in charge.punishments
        ],
    )


MOCK = Mock(
    path="/reported-adjudications/migrate",
    role="ROLE_MIGRATE_ADJUDICATIONS",
    body=AdjudicationMigrateDto,
    answer=played,
)
