"""Incidents that come, change and go in NOMIS, with the event by which NOMIS would tell of each."""

from collections.abc import Callable
from typing import Any

from nomis_pipelines.sandbox.control import SandboxAdmin

Event = dict[str, Any]
Publish = Callable[..., Event]


class IncidentEvents:
    """Changes incidents and tells of it. `publish` sends one event of NOMIS, which is given back."""

    def __init__(self, admin: SandboxAdmin, publish: Publish) -> None:
        self._admin = admin
        self._publish = publish

    def tell(self, what: str, incident_id: int) -> Event:
        """Let something happen to an incident, under its name in the command line."""
        match what:
            case "inserted":
                return self.inserted(incident_id)
            case "changed":
                return self.changed(incident_id)
            case "party-changed":
                return self.party_changed(incident_id)
            case "party-deleted":
                return self.party_deleted(incident_id)
            case _:
                return self.deleted(incident_id)

    def inserted(self, like: int) -> Event:
        """Make an incident alike to another one."""
        return self.announce("INSERTED", self._admin.add_incident(like)["incidentId"])

    def changed(self, incident_id: int, description: str = "Checked") -> Event:
        """Change an incident's description."""
        self._admin.change_incident(incident_id, description=description)
        return self.announce("CHANGED-CASES", incident_id)

    def party_changed(self, incident_id: int, comment: str = "Seen") -> Event:
        """Change the comment of an incident's last prisoner."""
        parties = self._admin.nomis_incident(incident_id)["offenderParties"]
        changed = [*parties[:-1], *(party | {"comment": comment} for party in parties[-1:])]
        self._admin.change_incident(incident_id, offenderParties=changed)
        return self.announce("CHANGED-PARTIES", incident_id, incidentPartySeq=2000)

    def party_deleted(self, incident_id: int) -> Event:
        """Delete an incident's last prisoner."""
        parties = self._admin.nomis_incident(incident_id)["offenderParties"]
        self._admin.change_incident(incident_id, offenderParties=parties[:-1])
        return self.announce("DELETED-PARTIES", incident_id, incidentPartySeq=2000)

    def deleted(self, incident_id: int) -> Event:
        """Delete an incident."""
        self._admin.remove_incident(incident_id)
        return self.announce("DELETED-CASES", incident_id)

    def announce(self, what: str, incident_id: int, **fields: object) -> Event:
        """Tell of what has happened to an incident, such as `CHANGED-CASES`."""
        return self._publish(f"INCIDENT-{what}", incidentCaseId=incident_id, **fields, auditModuleName="OIDINCRS")
