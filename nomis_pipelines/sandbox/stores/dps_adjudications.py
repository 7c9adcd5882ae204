"""What the adjudications service holds: charges under their numbers, with hearings and punishments."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from nomis_pipelines.contracts.adjudications import AdjudicationMigrateDto
from nomis_pipelines.sandbox.data.adjudications import AdjudicationData, Key
from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords, Spelling

SPELLING: Spelling[Key] = Spelling(
    create=b"S",
    update=b"T",
    delete=b"W",
    person=b"dpsadju",
    fields=2,
    write=lambda key: f"{key[0]}\t{key[1]}",
    read=lambda parts: (int(parts[0]), int(parts[1])),
)
PUNISHMENTS = {
    "EXTRA_WORK": "EXCLUSION_WORK", "EXTW": "EXTRA_WORK", "CAUTION": "CAUTION", "CC": "CONFINEMENT",
    "REMACT": "REMOVAL_ACTIVITY", "REMWIN": "REMOVAL_WING", "STOP_PCT": "EARNINGS", "PADA": "PROSPECTIVE_DAYS",
}  # fmt: skip
PROSPECTIVE = frozenset({"PROSPECTIVE", "SUSP_PROSP"})


@dataclass(frozen=True)
class Taken:
    """What became of a charge that was sent: its number, and whether it was there before."""

    charge_number: str
    known: bool


class DpsAdjudications(DpsRecords[Key]):
    """Charges in DPS. Their keys come from NOMIS, so none is here twice.

    One that was raised in DPS is taken note of when it is first sent: it has been here all along, under its plain
    number.
    """

    def __init__(self, data: AdjudicationData, journal: Journal, key: bytes) -> None:
        super().__init__(SPELLING, journal, key)
        self._data = data

    def add(self, body: bytes, request: AdjudicationMigrateDto) -> Taken:
        """Store a charge unless it is here already."""
        key = (request.oic_incident_id, request.offence_sequence)
        raised = self._data.raised_in_dps(key)
        number = str(key[0]) if raised else f"{key[0]}-{key[1]}"
        if self.exists(number):
            return Taken(number, known=True)
        self.store(body, key if self._data.number_of(key) is not None else None)
        return Taken(number, known=raised)

    def reported(self, charge_number: str, caseload: str) -> dict[str, Any] | None:
        """A charge as DPS tells it; None when it is not here, or not for somebody of this prison."""
        stored = self.body(charge_number)
        if stored is None:
            return None
        charge = from_json(stored)
        if charge["agencyId"] != caseload:
            return None
        return {
            "chargeNumber": charge_number,
            "hearings": [
                {"id": hearing_id(hearing["oicHearingId"]), "dateTimeOfHearing": hearing["hearingDateTime"]}
                for hearing in reversed(charge["hearings"])
            ],
            "punishments": [
                {
                    "id": punishment_id(punishment["sanctionSeq"]),
                    "type": punishment_type(punishment),
                    "schedule": {"days": punishment.get("days") or 0},
                }
                for punishment in reversed(charge["punishments"])
            ],
        }

    def _new_id(self, body: bytes, number: int) -> str:
        charge = from_json(body)
        key = (charge["oicIncidentId"], charge["offenceSequence"])
        return str(key[0]) if self._data.raised_in_dps(key) else f"{key[0]}-{key[1]}"


def hearing_id(oic_hearing_id: int) -> int:
    """DPS's id of a hearing."""
    return oic_hearing_id * 2 + 1


def punishment_id(sanction_sequence: int) -> int:
    """DPS's id of a punishment."""
    return sanction_sequence * 2 + 501


def punishment_type(punishment: dict[str, Any]) -> str:
    """What DPS makes of a punishment's codes."""
    code = punishment["sanctionCode"]
    if code == "ADA":
        return "PROSPECTIVE_DAYS" if punishment["sanctionStatus"] in PROSPECTIVE else "ADDITIONAL_DAYS"
    if code == "OTHER" and punishment.get("compensationAmount") is not None:
        return "DAMAGES_OWED"
    return PUNISHMENTS.get(code, "PRIVILEGE")
