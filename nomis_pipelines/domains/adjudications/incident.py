"""Who and what belongs to an incident: witnesses, damages, evidence. Pure rules (adjudications card, section 6)."""

from collections.abc import Iterator
from datetime import date

from nomis_pipelines.contracts.adjudications import (
    DamageType,
    EvidenceCode,
    MigrateDamage,
    MigrateEvidence,
    MigrateWitness,
    WitnessType,
)
from nomis_pipelines.contracts.nomis_prisoner import (
    AdjudicationCharge,
    AdjudicationIncident,
    IncidentPrisoner,
    IncidentStaff,
)
from nomis_pipelines.migration.declaration import Rejected

DAMAGE_TYPES: dict[str, DamageType] = {
    "ELEC": "ELECTRICAL_REPAIR",
    "PLUM": "PLUMBING_REPAIR",
    "DECO": "REDECORATION",
    "FABR": "FURNITURE_OR_FABRIC_REPAIR",
    "CLEA": "CLEANING",
    "LOCK": "LOCK_REPAIR",
}
EVIDENCE_CODES: dict[str, EvidenceCode] = {"PHOTO": "PHOTO", "EVI_BAG": "BAGGED_AND_TAGGED"}


def witnesses_of(incident: AdjudicationIncident, number: int, today: date) -> Iterator[MigrateWitness]:
    """Everybody who is named with the incident, list by list. Raises `Rejected` for one whose maker is unknown."""
    lists: tuple[tuple[list[IncidentStaff] | list[IncidentPrisoner], WitnessType], ...] = (
        (incident.staff_witnesses, "STAFF"),
        (incident.prisoner_witnesses, "OTHER_PERSON"),
        (incident.staff_victims, "VICTIM"),
        (incident.prisoner_victims, "VICTIM"),
        (incident.other_prisoners_involved, "PRISONER"),
        (incident.reporting_officers, "OTHER_PERSON"),
        (incident.other_staff_involved, "OTHER_PERSON"),
    )
    for people, kind in lists:
        for person in people:
            if person.created_by_username is None:
                raise Rejected("no-creator-of-witness", adjudicationNumber=number, witnessType=kind)
            yield MigrateWitness(
                first_name=person.first_name or "",
                last_name=person.last_name,
                created_by=person.created_by_username,
                witness_type=kind,
                date_added=person.date_added_to_incident or today,
                comment=person.comment,
            )


def damages_of(incident: AdjudicationIncident, number: int) -> list[MigrateDamage]:
    """What was broken. Raises `Rejected` for a kind of repair that DPS does not know."""
    damages: list[MigrateDamage] = []
    for repair in incident.repairs:
        kind = DAMAGE_TYPES.get(repair.type.code)
        if kind is None:
            raise Rejected("unknown-repair-type", adjudicationNumber=number, code=repair.type.code)
        damages.append(
            MigrateDamage(
                damage_type=kind,
                details=repair.comment,
                created_by=repair.created_by_username,
                repair_cost=repair.cost,
            )
        )
    return damages


def evidence_of(charge: AdjudicationCharge) -> list[MigrateEvidence]:
    """The evidence of all investigations, then what the charge itself says."""
    evidence = [
        MigrateEvidence(
            evidence_code=EVIDENCE_CODES.get(found.type.code, "OTHER"),
            details=found.detail,
            reporter=found.created_by_username,
            date_added=found.date,
        )
        for investigation in charge.investigations
        for found in investigation.evidence
    ]
    # blanks alone count as something said
    if said := [text for text in (charge.charge.evidence, charge.charge.report_detail) if text]:
        evidence.append(
            MigrateEvidence(
                evidence_code="OTHER",
                details=" - ".join(said),
                reporter=charge.incident.reporting_staff.username,
                date_added=charge.incident.reported_date,
            )
        )
    return evidence
