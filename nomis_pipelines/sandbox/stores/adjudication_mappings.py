"""The mapping service's tables of charges, hearings and punishments, written together."""

from nomis_pipelines.contracts.nomis_mapping_service import NewAdjudicationMappings
from nomis_pipelines.sandbox.journal import Journal, Replay
from nomis_pipelines.sandbox.stores.mappings import MappingTable

Key = tuple[int, int]
Refused = tuple[str, str | None]


class AdjudicationMappings:
    """Three tables. A charge's pair is recorded with all of what hangs on it, or not at all."""

    def __init__(self, journal: Journal) -> None:
        self.charges: MappingTable[Key] = MappingTable("Adjudication", b"Z", journal)
        self.hearings: MappingTable[int] = MappingTable("Hearing", b"z", journal)
        self.punishments: MappingTable[Key] = MappingTable("Punishment", b"y", journal)

    @property
    def replays(self) -> dict[bytes, Replay]:
        """What reads the journal's entries of each kind."""
        return {table.kind: table.replay for table in (self.charges, self.hearings, self.punishments)}

    def add(self, sent: NewAdjudicationMappings) -> Refused | None:
        """Record all pairs; if one contradicts a table none is, and its id and the other's are returned, as bare texts.

        What the real service puts there differs from table to table (adjudications card, section 2).
        """
        charge = sent.adjudication_id
        key = (charge.adjudication_number, charge.charge_sequence)
        if refused := _contradiction(self.charges, key, charge.charge_number):
            return refused
        for hearing in sent.hearings:
            if refused := _contradiction(self.hearings, hearing.nomis_hearing_id, hearing.dps_hearing_id):
                return refused
        for each in sent.punishments:
            award = (each.nomis_booking_id, each.nomis_sanction_sequence)
            if refused := _contradiction(self.punishments, award, each.dps_punishment_id):
                return refused
        self.charges.add(key, charge.charge_number, sent.label, sent.mapping_type)
        for hearing in sent.hearings:
            self.hearings.add(hearing.nomis_hearing_id, hearing.dps_hearing_id, sent.label, sent.mapping_type)
        for each in sent.punishments:
            award = (each.nomis_booking_id, each.nomis_sanction_sequence)
            self.punishments.add(award, each.dps_punishment_id, sent.label, sent.mapping_type)
        return None

    def clear(self) -> None:
        """Forget everything."""
        for table in (self.charges, self.hearings, self.punishments):
            table.clear()


def _contradiction(table: "MappingTable[Key] | MappingTable[int]", key: object, dps_id: str) -> Refused | None:
    known = table.get(key)  # pyright: ignore[reportArgumentType]  # a key of this very table
    if known is not None:
        return None if known.dps_id == dps_id else (dps_id, known.dps_id)
    other = table.by_dps_id(dps_id)
    return None if other is None else (dps_id, None)
