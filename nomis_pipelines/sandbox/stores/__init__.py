"""What the sandbox's services store: small in memory, replayed from the journal at start."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

from nomis_pipelines.sandbox.data.adjudications import AdjudicationData
from nomis_pipelines.sandbox.data.appointments import AppointmentData
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.journal import Journal, Replay
from nomis_pipelines.sandbox.stores.adjudication_mappings import AdjudicationMappings
from nomis_pipelines.sandbox.stores.alert_mappings import AlertMappingTable
from nomis_pipelines.sandbox.stores.case_note_mappings import CaseNoteMappingTable
from nomis_pipelines.sandbox.stores.court_mappings import CourtMappings
from nomis_pipelines.sandbox.stores.csip_mappings import CsipMappings
from nomis_pipelines.sandbox.stores.dps_activities import DpsActivities, agreement
from nomis_pipelines.sandbox.stores.dps_adjudications import DpsAdjudications
from nomis_pipelines.sandbox.stores.dps_adjustments import DpsAdjustments
from nomis_pipelines.sandbox.stores.dps_alerts import DpsAlerts
from nomis_pipelines.sandbox.stores.dps_appointments import DpsAppointments
from nomis_pipelines.sandbox.stores.dps_case_notes import DpsCaseNotes
from nomis_pipelines.sandbox.stores.dps_courts import DpsCourts
from nomis_pipelines.sandbox.stores.dps_csip import DpsCsip
from nomis_pipelines.sandbox.stores.dps_incidents import DpsIncidents
from nomis_pipelines.sandbox.stores.dps_locations import DpsLocations
from nomis_pipelines.sandbox.stores.dps_records import DpsRecords
from nomis_pipelines.sandbox.stores.mappings import MappingTable, RoomMappings
from nomis_pipelines.sandbox.stores.nomis_activities import NomisActivities
from nomis_pipelines.sandbox.stores.nomis_adjustments import NomisAdjustments
from nomis_pipelines.sandbox.stores.nomis_alerts import NomisAlerts
from nomis_pipelines.sandbox.stores.nomis_case_notes import NomisCaseNotes
from nomis_pipelines.sandbox.stores.nomis_courts import NomisCourts
from nomis_pipelines.sandbox.stores.nomis_csip import NomisCsip
from nomis_pipelines.sandbox.stores.nomis_incidents import NomisIncidents
from nomis_pipelines.sandbox.stores.nomis_locations import NomisLocations
from nomis_pipelines.sandbox.stores.nomis_visits import NomisVisits
from nomis_pipelines.sandbox.stores.scheduler import ScheduledVisits

Key = TypeVar("Key", bound=Hashable)


class Stores:
    """All stores of a sandbox, over one journal."""

    def __init__(self, world: World, journal_file: Path) -> None:
        self.world = world
        self.journal = Journal(journal_file)
        self.nomis_visits = NomisVisits(world, self.journal)
        self.scheduled = ScheduledVisits(self.nomis_visits, self.journal)
        self.visit_mappings: MappingTable[int] = MappingTable("Visit", b"M", self.journal)
        self.adjustment_mappings: MappingTable[tuple[str, int]] = MappingTable("Adjustment", b"A", self.journal)
        self.nomis_adjustments = NomisAdjustments(world, self.journal)
        self.dps_adjustments = DpsAdjustments(self.nomis_adjustments, self.journal, world.key)
        self.nomis_alerts = NomisAlerts(world, self.journal)
        self.dps_alerts = DpsAlerts(self.journal, world.key)
        self.alert_mappings = AlertMappingTable(self.journal)
        self.location_mappings: MappingTable[int] = MappingTable("Location", b"O", self.journal)
        self.nomis_locations = NomisLocations(world, self.journal)
        self.dps_locations = DpsLocations(self.nomis_locations, self.journal, world.key)
        self.nomis_activities = NomisActivities(world, self.journal)
        self.dps_activities = DpsActivities(self.nomis_activities.data, self.journal)
        self.activity_mappings: MappingTable[int] = MappingTable("Activity", b"5", self.journal)
        self.allocation_mappings: MappingTable[int] = MappingTable("Allocation", b"6", self.journal)
        self.nomis_appointments = AppointmentData(world)
        self.appointment_mappings: MappingTable[int] = MappingTable("Appointment", b"Q", self.journal)
        self.dps_appointments = DpsAppointments(self.nomis_appointments, self.journal, world.key)
        self.nomis_adjudications = AdjudicationData(world)
        self.adjudication_mappings = AdjudicationMappings(self.journal)
        self.dps_adjudications = DpsAdjudications(self.nomis_adjudications, self.journal, world.key)
        self.nomis_courts = NomisCourts(world, self.nomis_alerts, self.journal)
        self.dps_courts = DpsCourts(self.journal, world.key)
        self.court_mappings = CourtMappings(self.journal)
        self.nomis_incidents = NomisIncidents(world, self.journal)
        self.incident_mappings: MappingTable[int] = MappingTable("Incident", b")", self.journal)
        self.dps_incidents = DpsIncidents(self.journal, world.key)
        self.nomis_case_notes = NomisCaseNotes(world, self.nomis_alerts, self.journal)
        self.dps_case_notes = DpsCaseNotes(self.journal, world.key)
        self.case_note_mappings = CaseNoteMappingTable(self.journal)
        self.rooms = RoomMappings(self.journal)
        self.nomis_csip = NomisCsip(world, self.nomis_alerts, self.journal)
        self.dps_csip = DpsCsip(self.journal, world.key)
        self.csip_mappings = CsipMappings(self.journal)
        self.replayed = self.journal.replay(
            _by_kind(
                (NomisVisits.KIND, self.nomis_visits.replay),
                (ScheduledVisits.KIND, self.scheduled.replay),
                (ScheduledVisits.CANCEL_KIND, self.scheduled.replay_cancel),
                (self.visit_mappings.kind, self.visit_mappings.replay),
                (self.adjustment_mappings.kind, self.adjustment_mappings.replay),
                (NomisAdjustments.KIND, self.nomis_adjustments.replay),
                (NomisAlerts.KIND, self.nomis_alerts.replay),
                (DpsAlerts.KIND, self.dps_alerts.replay),
                (DpsAlerts.DELETE_KIND, self.dps_alerts.replay_delete),
                (AlertMappingTable.KIND, self.alert_mappings.replay),
                (self.location_mappings.kind, self.location_mappings.replay),
                (NomisLocations.KIND, self.nomis_locations.replay),
                *self.dps_adjustments.replays.items(),
                *self.dps_locations.replays.items(),
                (NomisActivities.KIND, self.nomis_activities.replay),
                (DpsActivities.KIND, self.dps_activities.replay),
                (DpsActivities.ALLOCATION_KIND, self.dps_activities.replay_allocation),
                (DpsActivities.MOVE_KIND, self.dps_activities.replay_move),
                (self.activity_mappings.kind, self.activity_mappings.replay),
                (self.allocation_mappings.kind, self.allocation_mappings.replay),
                (self.appointment_mappings.kind, self.appointment_mappings.replay),
                *self.dps_appointments.replays.items(),
                *self.adjudication_mappings.replays.items(),
                *self.dps_adjudications.replays.items(),
                (NomisCourts.KIND, self.nomis_courts.replay),
                (DpsCourts.KIND, self.dps_courts.replay),
                (DpsCourts.MERGE_KIND, self.dps_courts.replay_merge),
                (CourtMappings.SUMMARY_KIND, self.court_mappings.replay_summary),
                (self.court_mappings.pairs.kind, self.court_mappings.pairs.replay),
                (NomisIncidents.KIND, self.nomis_incidents.replay),
                (NomisIncidents.SWITCH_KIND, self.nomis_incidents.replay_switch),
                (self.incident_mappings.kind, self.incident_mappings.replay),
                *self.dps_incidents.replays.items(),
                (NomisCaseNotes.KIND, self.nomis_case_notes.replay),
                *self.dps_case_notes.replays.items(),
                (CaseNoteMappingTable.KIND, self.case_note_mappings.replay),
                (RoomMappings.KIND, self.rooms.replay),
                (NomisCsip.KIND, self.nomis_csip.replay),
                (DpsCsip.KIND, self.dps_csip.replay),
                (DpsCsip.DELETE_KIND, self.dps_csip.replay_delete),
                (CsipMappings.KIND, self.csip_mappings.replay),
            )
        )

    def clear(self) -> None:
        """Forget everything that was stored."""
        self.journal.clear()
        self.nomis_visits.clear()
        self.scheduled.clear()
        self.visit_mappings.clear()
        self.adjustment_mappings.clear()
        self.nomis_adjustments.clear()
        self.dps_adjustments.clear()
        self.nomis_alerts.clear()
        self.dps_alerts.clear()
        self.alert_mappings.clear()
        self.location_mappings.clear()
        self.nomis_locations.clear()
        self.dps_locations.clear()
        self.nomis_activities.clear()
        self.dps_activities.clear()
        self.activity_mappings.clear()
        self.allocation_mappings.clear()
        self.appointment_mappings.clear()
        self.dps_appointments.clear()
        self.adjudication_mappings.clear()
        self.dps_adjudications.clear()
        self.nomis_courts.clear()
        self.dps_courts.clear()
        self.court_mappings.clear()
        self.nomis_incidents.clear()
        self.incident_mappings.clear()
        self.dps_incidents.clear()
        self.nomis_case_notes.clear()
        self.dps_case_notes.clear()
        self.case_note_mappings.clear()
        self.rooms.clear()
        self.nomis_csip.clear()
        self.dps_csip.clear()
        self.csip_mappings.clear()

    def agreement(self) -> dict[str, Any]:
        """How what DPS holds, what is mapped and what NOMIS has agree."""
        return {
            "visits": self._visits_agreement(),
            "alerts": self._alerts_agreement(),
            "adjustments": _agreement(self.adjustment_mappings, self.dps_adjustments),
            "locations": _agreement(self.location_mappings, self.dps_locations),
            "activities": agreement(self.dps_activities.activities(), _first_ids(self.activity_mappings)),
            "allocations": agreement(self.dps_activities.allocations(), _first_ids(self.allocation_mappings)),
            "appointments": _agreement(self.appointment_mappings, self.dps_appointments)
            | {"dps_dropped": self.dps_appointments.dropped},
            "adjudications": _agreement(self.adjudication_mappings.charges, self.dps_adjudications),
            "court_sentencing": self._courts_agreement(),
            "incidents": _agreement(self.incident_mappings, self.dps_incidents),
            "csip": self._csip_agreement(),
            "case_notes": self._case_notes_agreement(),
        }

    def _visits_agreement(self) -> dict[str, int]:
        mapped_serials = bytearray(len(self.scheduled))
        unknown = contradicting = 0
        for nomis_id, pair in self.visit_mappings.items():
            serial = self.scheduled.serial(pair.dps_id)
            if serial is None:
                unknown += 1
                continue
            mapped_serials[serial] = 1
            contradicting += self.scheduled.nomis_id(serial) != nomis_id
        return {
            "dps_records": len(self.scheduled),
            "dps_distinct": self.scheduled.distinct,
            "dps_cancelled": self.scheduled.cancellations,
            "mappings": len(self.visit_mappings),
            "dps_surplus": len(self.scheduled) - self.scheduled.distinct - self.scheduled.unrecognised,
            "dps_unrecognised": self.scheduled.unrecognised,
            "dps_without_mapping": mapped_serials.count(0),
            "mappings_without_dps": unknown,
            "mappings_to_another": contradicting,
        }

    def _alerts_agreement(self) -> dict[str, int]:
        unknown = contradicting = 0
        unmapped = set(self.dps_alerts.ids())
        for key, pair in self.alert_mappings.items():
            kept = self.dps_alerts.get(pair.dps_id)
            if kept is None:
                unknown += 1
                continue
            unmapped.discard(pair.dps_id)
            contradicting += kept.origin != key
        return self.dps_alerts.numbers() | {
            "mappings": len(self.alert_mappings),
            "dps_without_mapping": len(unmapped),
            "mappings_without_dps": unknown,
            "mappings_to_another": contradicting,
        }

    def _courts_agreement(self) -> dict[str, int]:
        rows = list(self.dps_courts.rows())
        told = [(kind, *nomis) for _, kind, _, nomis in rows if nomis is not None]
        unmapped = {dps_id for _, _, dps_id, _ in rows}
        pairs = self.court_mappings.pairs
        unknown = sum(pair.dps_id not in unmapped for _, pair in pairs.items())
        origins = {dps_id: (kind, *nomis) for _, kind, dps_id, nomis in rows if nomis is not None}
        contradicting = sum(origins.get(pair.dps_id, key) != key for key, pair in pairs.items())
        mapped = {pair.dps_id for _, pair in pairs.items()}
        return {
            "dps_records": len(rows),
            "dps_surplus": len(told) - len(set(told)),
            "mappings": len(pairs),
            "prisoners": len(self.court_mappings.summaries()),
            "dps_without_mapping": len(unmapped - mapped),
            "mappings_without_dps": unknown,
            "mappings_to_another": contradicting,
        }

    def _csip_agreement(self) -> dict[str, int]:
        rows = {dps_id: (component, nomis_id) for _, component, nomis_id, dps_id in self.dps_csip.rows()}
        mapped = {pair["dpsId"]: nomis_id for _, _, nomis_id, pair in self.csip_mappings.rows()}
        return {
            "dps_records": len(rows),
            "dps_surplus": len(rows) - len(set(rows.values())),
            "mappings": len(mapped),
            "dps_without_mapping": len(rows.keys() - mapped.keys()),
            "mappings_without_dps": len(mapped.keys() - rows.keys()),
            "mappings_to_another": sum(rows[dps_id][1] != mapped[dps_id] for dps_id in rows.keys() & mapped.keys()),
        }

    def _case_notes_agreement(self) -> dict[str, int]:
        pairs = self.case_note_mappings
        in_dps = set(self.dps_case_notes.ids())
        mapped = {pair.dps_id for _, pair in pairs.items()}
        return self.dps_case_notes.numbers() | {
            "mappings": len(pairs),
            "dps_without_mapping": len(in_dps - mapped),
            "mappings_without_dps": len(mapped - in_dps),
        }


def _by_kind(*handlers: tuple[bytes, Replay]) -> dict[bytes, Replay]:
    kinds = dict(handlers)
    if len(kinds) < len(handlers):
        raise ValueError("two stores write entries of the same kind into the journal")
    return kinds


def _agreement(mappings: MappingTable[Key], records: DpsRecords[Key]) -> dict[str, int]:
    unknown = contradicting = 0
    unmapped = set(records.ids())
    for key, pair in mappings.items():
        if not records.exists(pair.dps_id):
            unknown += 1
            continue
        unmapped.discard(pair.dps_id)
        contradicting += records.origin(pair.dps_id) != key
    return records.numbers() | {
        "mappings": len(mappings),
        "dps_without_mapping": len(unmapped),
        "mappings_without_dps": unknown,
        "mappings_to_another": contradicting,
    }


def _first_ids(table: MappingTable[int]) -> dict[int, int | None]:
    """NOMIS id -> the first DPS id of its pair; None where there is none."""
    firsts = {key: pair.dps_id.partition(",")[0] for key, pair in table.items()}
    return {key: int(first) if first.isdigit() else None for key, first in firsts.items()}
