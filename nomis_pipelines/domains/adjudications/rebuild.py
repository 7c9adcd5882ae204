"""The mapping creator: the ids of a charge that DPS holds already, paired by what they look like (section 5.4).

The pairing only has to be good enough: when DPS changes such punishments it sends them to NOMIS as a set.
"""

from datetime import datetime, time

from nomis_pipelines.contracts.adjudications import (
    ChargeNumberMapping,
    HearingMapping,
    MigrateResponse,
    PunishmentMapping,
    ReportedHearing,
    ReportedPunishment,
)
from nomis_pipelines.contracts.nomis_prisoner import AdjudicationCharge, HearingAward
from nomis_pipelines.domains.adjudications.clients import AdjudicationCalls, ChargeKey
from nomis_pipelines.domains.adjudications.punishments import PUNISHMENT_TYPES, days_of, punishment_type
from nomis_pipelines.migration.declaration import AlreadyMapped, Rejected


async def rebuild(calls: AdjudicationCalls, charge: AdjudicationCharge) -> MigrateResponse:
    """What DPS would have answered, had it taken the charge.

    Raises `AlreadyMapped` when another copy of the work was quicker, `Rejected` when DPS's charge cannot be found or
    its hearings or punishments differ in number from NOMIS's.
    """
    key = ChargeKey(charge.adjudication_number, charge.charge.charge_sequence)
    mapped = await calls.find_mapping(key)
    if mapped is not None:
        raise AlreadyMapped(mapped)
    prison = charge.incident.prison.code
    # under the first number DPS keeps what was migrated, under the second what was raised in DPS
    for number in (f"{key.adjudication_number}-{key.charge_sequence}", str(key.adjudication_number)):
        reported = await calls.find_reported(number, prison)
        if reported is not None:
            break
    else:
        raise Rejected("not-found-in-dps", **key.path)
    return MigrateResponse(
        charge_number_mapping=ChargeNumberMapping(
            charge_number=reported.charge_number,
            oic_incident_id=key.adjudication_number,
            offence_sequence=key.charge_sequence,
        ),
        hearing_mappings=pair_hearings(charge, reported.hearings),
        punishment_mappings=pair_punishments(charge, reported.punishments),
    )


def pair_hearings(charge: AdjudicationCharge, reported: list[ReportedHearing]) -> list[HearingMapping]:
    """Hearings by their time. Raises `Rejected` when there are not as many."""
    heard = [
        (datetime.combine(hearing.hearing_date, time.fromisoformat(hearing.hearing_time)), hearing.hearing_id)
        for hearing in charge.hearings
        if hearing.hearing_date is not None and hearing.hearing_time is not None
    ]
    _same_number(charge, "hearings", len(heard), len(reported))
    ours = sorted(heard, key=lambda pair: pair[0])
    theirs = sorted(reported, key=lambda hearing: hearing.date_time_of_hearing)
    return [
        HearingMapping(hearing_id=hearing.id, oic_hearing_id=number)
        for (_, number), hearing in zip(ours, theirs, strict=True)
    ]


def pair_punishments(charge: AdjudicationCharge, reported: list[ReportedPunishment]) -> list[PunishmentMapping]:
    """Punishments by their type and days. Raises `Rejected` when there are not as many, or DPS's type is unknown."""
    for punishment in reported:
        if punishment.type not in PUNISHMENT_TYPES:
            raise Rejected("unknown-punishment-type", punishmentId=punishment.id, code=punishment.type)
    awards = [
        (_order(kind, days_of(award)), award)
        for hearing in charge.hearings
        for result in hearing.hearing_results
        for award in result.result_awards
        if (kind := type_of(award)) is not None
    ]
    _same_number(charge, "punishments", len(awards), len(reported))
    ours = sorted(awards, key=lambda pair: pair[0])
    theirs = sorted(reported, key=lambda punishment: _order(punishment.type, punishment.schedule.days))
    return [
        PunishmentMapping(punishment_id=punishment.id, booking_id=charge.booking_id, sanction_seq=award.sequence)
        for (_, award), punishment in zip(ours, theirs, strict=True)
    ]


def type_of(award: HearingAward) -> str | None:
    """DPS's type of an award; None for one without type or status, which DPS cannot have."""
    if award.sanction_type is None or award.sanction_status is None:
        return None
    return punishment_type(award.sanction_type.code, award.sanction_status.code, award.compensation_amount)


def _order(kind: str, days: int | None) -> tuple[int, bool, int]:
    """By type as DPS lists them, then by days, those without first."""
    return PUNISHMENT_TYPES.index(kind), days is not None, days or 0


def _same_number(charge: AdjudicationCharge, what: str, in_nomis: int, in_dps: int) -> None:
    if in_nomis != in_dps:
        raise Rejected(
            f"different-number-of-{what}",
            adjudicationNumber=charge.adjudication_number,
            chargeSequence=charge.charge.charge_sequence,
            inNomis=in_nomis,
            inDps=in_dps,
        )
