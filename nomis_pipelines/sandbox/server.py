"""All services of the sandbox in one event loop, each on its own port."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nomis_pipelines.sandbox.data.appointments import is_mapped_room
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.faults import ActiveFault, Fault, Outage
from nomis_pipelines.sandbox.routing import Router
from nomis_pipelines.sandbox.services import (
    activities,
    add_health,
    adjudications,
    adjustments,
    admin,
    alerts,
    appointments,
    auth,
    case_notes,
    court_sentencing,
    csip,
    incidents,
    locations,
    mapping,
    mapping_alerts,
    mapping_case_notes,
    mapping_courts,
    mapping_csip,
    nomis,
    nomis_alerts,
    nomis_case_notes,
    nomis_courts,
    nomis_csip,
    visit_scheduler,
)
from nomis_pipelines.sandbox.services.mapping_activities import add_activity_mappings
from nomis_pipelines.sandbox.services.mapping_locations import add_dps_locations
from nomis_pipelines.sandbox.services.nomis_activities import add_activities
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.tokens import TokenIssuer, TokenVerifier
from nomis_pipelines.sandbox.wire import Service

HOST = "127.0.0.1"


class SandboxServer:
    """The services, their faults and their counts. `ports` are wished for: a taken one is replaced by a free one."""

    def __init__(self, world: World, state: Path) -> None:
        self.world = world
        self.stores = Stores(world, state / "journal")
        self.issuer = TokenIssuer(state / "key.pem")
        self.rules = visit_scheduler.SchedulerRules(world)
        verifier = TokenVerifier(self.issuer.public_key)
        stores = self.stores
        routers = {
            "auth": auth.build(self.issuer),
            "nomis": nomis.build(stores.nomis_visits, stores.nomis_adjustments, stores.nomis_locations),
            "mapping": mapping.build(
                stores.visit_mappings, stores.adjustment_mappings, stores.location_mappings, stores.rooms
            ),
            "activities": activities.build(stores.dps_activities, world),
            "sentencing": adjustments.build(stores.dps_adjustments),
            "court-sentencing": court_sentencing.build(stores.dps_courts),
            "alerts": alerts.build(stores.dps_alerts, stores.nomis_alerts, world),
            "locations": locations.build(stores.dps_locations),
            "visits": visit_scheduler.build(stores.scheduled, self.rules),
            "csip": csip.build(stores.dps_csip),
            "case-notes": case_notes.build(stores.dps_case_notes),
        }
        nomis_alerts.add_alerts(routers["nomis"], stores.nomis_alerts)
        mapping_alerts.add_alerts(routers["mapping"], stores.alert_mappings)
        add_activities(routers["nomis"], stores.nomis_activities)
        add_activity_mappings(routers["mapping"], stores.activity_mappings, stores.allocation_mappings)
        add_dps_locations(routers["mapping"], stores.nomis_activities.data.is_location, is_mapped_room)
        self._add_appointments(routers)
        self._add_adjudications(routers)
        nomis_courts.add_courts(routers["nomis"], stores.nomis_courts)
        mapping_courts.add_courts(routers["mapping"], stores.court_mappings)
        self._add_incidents(routers)
        nomis_csip.add_csip(routers["nomis"], stores.nomis_csip)
        mapping_csip.add_csip(routers["mapping"], stores.csip_mappings)
        nomis_case_notes.add_case_notes(routers["nomis"], stores.nomis_case_notes)
        mapping_case_notes.add_case_notes(routers["mapping"], stores.case_note_mappings)
        self.services = {name: Service(name, router, verifier) for name, router in routers.items()}
        self.admin = Service("admin", admin.build(self, stores, self.issuer, self.rules), None)
        self._faults: list[ActiveFault] = []
        self._next_fault = 1
        self._started = time.monotonic()

    def _add_appointments(self, routers: dict[str, Router]) -> None:
        dps = routers.setdefault("activities", _router())
        appointments.add_to_nomis(routers["nomis"], self.stores.nomis_appointments)
        mapping.add_appointments(routers["mapping"], self.stores.appointment_mappings)
        appointments.add_to_dps(dps, self.stores.dps_appointments)

    def _add_adjudications(self, routers: dict[str, Router]) -> None:
        dps = routers.setdefault("adjudications", _router())
        adjudications.add_to_nomis(routers["nomis"], self.stores.nomis_adjudications)
        adjudications.add_to_mapping(routers["mapping"], self.stores.adjudication_mappings)
        adjudications.add_to_dps(dps, self.stores.dps_adjudications)

    def _add_incidents(self, routers: dict[str, Router]) -> None:
        dps = routers.setdefault("incidents", _router())
        incidents.add_to_nomis(routers["nomis"], self.stores.nomis_incidents)
        mapping.add_incidents(routers["mapping"], self.stores.incident_mappings)
        incidents.add_to_dps(dps, self.stores.dps_incidents)

    async def start(self, ports: Mapping[str, int] | None = None) -> None:
        """Listen on every port."""
        for service in (*self.services.values(), self.admin):
            wish = (ports or {}).get(service.name, 0)
            try:
                await service.listen(HOST, wish)
            except OSError:
                await service.listen(HOST, 0)

    async def stop(self) -> None:
        """Cut all connections and write down what is not yet written."""
        for service in (*self.services.values(), self.admin):
            await service.close()
        self.stores.journal.close()

    @property
    def ports(self) -> dict[str, int]:
        """The port of every service."""
        return {service.name: service.port for service in (*self.services.values(), self.admin)}

    def status(self) -> dict[str, Any]:
        """What runs here."""
        return {
            "pid": os.getpid(),
            "seconds": round(time.monotonic() - self._started, 3),
            "world": self.world.as_json(),
            "today": self.world.london_today(),
            "ports": self.ports,
            "replayed": self.stores.replayed,
        }

    def counts(self) -> dict[str, Any]:
        """Every request received, by service, method, path template and outcome."""
        return {
            service.name: {
                "in_flight": service.in_flight,
                "max_in_flight": service.max_in_flight,
                "requests": [
                    {"method": route.method, "path": route.template, "outcomes": route.counts}
                    for route in service.routes
                    if route.counts
                ],
            }
            for service in self.services.values()
        }

    def set_fault(self, fault: Fault) -> ActiveFault:
        """Let a fault stand from now on; an outage begins at once."""
        active = ActiveFault(self._next_fault, fault)
        self._next_fault += 1
        for service in self._hit_by(fault):
            if isinstance(fault, Outage):
                service.begin_outage(HOST, fault.seconds)
            else:
                service.faults.append(active)
        self._faults.append(active)
        return active

    def faults(self) -> list[ActiveFault]:
        """The faults that stand."""
        return self._faults

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Take back one fault, or all; returns how many there were. A running outage ends with its fault."""
        gone = [fault for fault in self._faults if fault_id is None or fault.id == fault_id]
        self._faults = [fault for fault in self._faults if fault not in gone]
        for fault in gone:
            for service in self._hit_by(fault.fault):
                if isinstance(fault.fault, Outage):
                    service.end_outage(HOST)
                else:
                    service.faults.remove(fault)
        return len(gone)

    def reset(self, what: admin.Reset) -> None:
        """Forget stored data, counts, faults, or all of them."""
        if what in {"all", "data"}:
            self.stores.clear()
        if what in {"all", "faults"}:
            self.clear_faults()
        if what in {"all", "counts"}:
            for service in self.services.values():
                service.max_in_flight = service.in_flight
                for route in service.routes:
                    route.counts.clear()

    def agreement(self) -> dict[str, Any]:
        """How the stores agree with one another."""
        return self.stores.agreement()

    def _hit_by(self, fault: Fault) -> list[Service]:
        return [service for name, service in self.services.items() if fault.service in {name, "*"}]


def _router() -> Router:
    router = Router()
    add_health(router)
    return router
