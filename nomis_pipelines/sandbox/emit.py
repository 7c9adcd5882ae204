"""Changes to NOMIS that announce themselves: the record is changed, and NOMIS's event goes to its topic.

Bodies are as the cards have them, numbers as text; SNS makes the envelope (platform card, section 4.5).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from nomis_pipelines.sandbox.control import SandboxAdmin
from nomis_pipelines.sandbox.emit_case_notes import CaseNoteEvents
from nomis_pipelines.sandbox.emit_courts import CourtEvents
from nomis_pipelines.sandbox.emit_csip import CsipEvents
from nomis_pipelines.sandbox.emit_incidents import IncidentEvents
from nomis_pipelines.sandbox.sqs import DOMAIN_EVENTS, OFFENDER_EVENTS
from nomis_pipelines.sandbox.state import SandboxError
from nomis_pipelines.settings import LONDON

Event = dict[str, Any]


class Emitter:
    """Publishes on the sandbox's topics. `environment` leads to them (`sandbox env`)."""

    def __init__(self, admin: SandboxAdmin, environment: Mapping[str, str]) -> None:
        self._admin = admin
        self._environment = environment
        self._sns: Any = None

    def visit_cancelled(self, visit_id: int | None, outcome: str, user: str) -> Event:
        """Cancel a visit, the newest migrated one if none is named."""
        if visit_id is None:
            visit_id = int(self._newest_mapping("visits", "a visit", "--visit")["nomisKey"])
        visit = self._admin.cancel_visit(visit_id, outcome, user)
        return self._publish(
            "VISIT_CANCELLED",
            offenderIdDisplay=visit["offenderNo"],
            visitId=visit_id,
            agencyLocationId=visit["prisonId"],
            nomisEventType="OFFENDER_VISIT-UPDATED",
            auditModuleName="OIDOVIS",
        )

    def adjustment_upserted(self, category: str, adjustment_id: int | None, booking_id: int, days: int) -> Event:
        """Change an adjustment's days, or add one to a booking when none is named."""
        if adjustment_id is None:
            adjustment = self._admin.add_adjustment(category, booking_id, adjustmentDays=days)
        else:
            adjustment = self._admin.change_adjustment(category, adjustment_id, adjustmentDays=days)
        return self._adjustment("UPSERTED", category, adjustment)

    def adjustment_deleted(self, category: str, adjustment_id: int, booking_id: int, offender_no: str) -> Event:
        """Delete an adjustment. What an event of a deletion says of it cannot be read any more, so it is given."""
        self._admin.remove_adjustment(category, adjustment_id)
        gone = {"id": adjustment_id, "bookingId": booking_id, "offenderNo": offender_no, "sentenceSequence": 1}
        return self._adjustment("DELETED", category, gone)

    def booking_number_changed(self, booking_id: int) -> Event:
        """Announce that a merge has changed a booking's number."""
        return self._publish("BOOKING_NUMBER-CHANGED", bookingId=booking_id, previousBookingNumber="43719F")

    def alert_inserted(self, offender_no: str | None, code: str, comment: str) -> Event:
        """Make an alert on a prisoner's latest booking; the prisoner whose alert was mapped last if none is named."""
        if offender_no is None:
            offender_no = str(self._newest_mapping("alerts", "an alert", "--prisoner")["prisoner"])
        alert = self._admin.add_alert(offender_no, code=code, comment=comment)
        return self._alert("INSERTED", offender_no, alert)

    def alert_updated(self, booking_id: int | None, sequence: int | None, comment: str) -> Event:
        """Change the comment of an alert, of the one that was mapped last if none is named."""
        booking_id, sequence, offender_no = self._alert_named(booking_id, sequence)
        return self._alert("UPDATED", offender_no, self._admin.change_alert(booking_id, sequence, comment=comment))

    def alert_deleted(self, booking_id: int | None, sequence: int | None) -> Event:
        """Delete an alert, the one that was mapped last if none is named."""
        booking_id, sequence, offender_no = self._alert_named(booking_id, sequence)
        self._admin.remove_alert(booking_id, sequence)
        gone = {"bookingId": booking_id, "alertSequence": sequence, "alertCode": {"code": ""}}
        return self._alert("DELETED", offender_no, gone)

    def prisoner_merged(self, retained: str, removed: str) -> Event:
        """Let one prisoner number go into another, with its bookings."""
        booking_id = self._admin.merge(retained, removed)
        told = {"nomsNumber": retained, "removedNomsNumber": removed, "bookingId": str(booking_id), "reason": "MERGE"}
        return self._announce("prison-offender-events.prisoner.merged", told)

    def booking_moved(self, booking_id: int, target: str) -> Event:
        """Move a booking to another prisoner."""
        source = self._admin.move_booking(booking_id, target)
        told = {"movedToNomsNumber": target, "movedFromNomsNumber": source, "bookingId": str(booking_id)}
        return self._announce("prison-offender-events.prisoner.booking.moved", told)

    def prisoner_received(self, offender_no: str, reason: str) -> Event:
        """Receive a prisoner. A new admission brings a booking, and an event for each alert that is copied to it."""
        if reason == "NEW_ADMISSION":
            for alert in self._admin.admit(offender_no):
                self._alert("INSERTED", offender_no, alert)
        told = {"nomsNumber": offender_no, "reason": reason, "prisonId": "MDI"}
        return self._announce("prisoner-offender-search.prisoner.received", told)

    def _alert(self, what: str, offender_no: str, alert: Mapping[str, Any]) -> Event:
        return self._publish(
            f"ALERT-{what}",
            bookingId=alert["bookingId"],
            alertSeq=alert["alertSequence"],
            offenderIdDisplay=offender_no,
            alertCode=alert["alertCode"]["code"],
            auditModuleName="OCDALERT",
        )

    def _alert_named(self, booking_id: int | None, sequence: int | None) -> tuple[int, int, str]:
        if booking_id is None or sequence is None:
            newest = self._newest_mapping("alerts", "an alert", "--booking and --sequence")
            return (*newest["nomisKey"], str(newest["prisoner"]))
        return booking_id, sequence, self._admin.booking(booking_id)

    @property
    def courts(self) -> CourtEvents:
        """The changes of court cases."""
        return CourtEvents(self._admin, self._publish)

    @property
    def incidents(self) -> IncidentEvents:
        """The changes of incidents."""
        return IncidentEvents(self._admin, self._publish)

    @property
    def csip(self) -> CsipEvents:
        """The changes of CSIP reports."""
        return CsipEvents(self._admin, self._publish)

    @property
    def case_notes(self) -> CaseNoteEvents:
        """The changes of case notes."""
        return CaseNoteEvents(self._admin, self._publish)

    def location_created(self, like: int, code: str) -> Event:
        """Make a location alike to another, with a code of its own."""
        beside = self._admin.nomis_location(like)
        key = "-".join([*str(beside["description"]).split("-")[:-1], code])
        return self._location(self._admin.add_location(like, locationCode=code, description=key))

    def location_updated(self, location_id: int, comment: str) -> Event:
        """Change a location's comment."""
        location = self._admin.change_location(location_id, comment=comment)
        return self._location(location, oldDescription=location["description"])

    def location_deleted(self, location_id: int) -> Event:
        """Delete a location."""
        location = self._admin.nomis_location(location_id)
        self._admin.remove_location(location_id)
        return self._location(location, oldDescription=location["description"], recordDeleted=True)

    def location_profile(self, location_id: int, profile_type: str, code: str) -> Event:
        """Add a profile to a location."""
        profiles = [
            *self._admin.nomis_location(location_id)["profiles"],
            {"profileType": profile_type, "profileCode": code},
        ]
        location = self._admin.change_location(location_id, profiles=profiles)
        return self._location(location, event_type="AGY_INT_LOC_PROFILES-UPDATED")

    def location_usage(self, location_id: int, usage_type: str, capacity: int) -> Event:
        """Add a usage to a location."""
        usage = {"internalLocationUsageType": usage_type, "capacity": capacity}
        usages = [*self._admin.nomis_location(location_id)["usages"], usage]
        location = self._admin.change_location(location_id, usages=usages)
        return self._location(location, event_type="INT_LOC_USAGE_LOCATIONS-UPDATED")

    def _location(
        self, location: Mapping[str, Any], event_type: str = "AGENCY_INTERNAL_LOCATIONS-UPDATED", **fields: object
    ) -> Event:
        return self._publish(
            event_type,
            internalLocationId=location["locationId"],
            description=location["description"],
            prisonId=location["prisonId"],
            auditModuleName="OIMILOCA",
            **({"recordDeleted": False} | fields),
        )

    def _adjustment(self, what: str, category: str, adjustment: Mapping[str, Any]) -> Event:
        sentence = category == "SENTENCE"
        return self._publish(
            f"{'SENTENCE' if sentence else 'KEY_DATE'}_ADJUSTMENT_{what}",
            offenderIdDisplay=adjustment["offenderNo"],
            bookingId=adjustment["bookingId"],
            **({"sentenceSeq": adjustment["sentenceSequence"]} if sentence else {}),
            adjustmentId=adjustment["id"],
            auditModuleName="OIDSENAD",
        )

    def _publish(self, event_type: str, **fields: object) -> Event:
        now = datetime.now(ZoneInfo(LONDON)).replace(tzinfo=None)
        body = {"eventType": event_type, "eventDatetime": now.isoformat(timespec="seconds")}
        body |= {name: json.dumps(value) if isinstance(value, bool) else str(value) for name, value in fields.items()}
        self._send(OFFENDER_EVENTS, event_type, body)
        return body

    def _announce(self, event_type: str, told: Mapping[str, str]) -> Event:
        occurred = datetime.now(UTC).isoformat(timespec="seconds")
        body = {"eventType": event_type, "version": 1, "occurredAt": occurred, "additionalInformation": dict(told)}
        self._send(DOMAIN_EVENTS, event_type, body)
        return body

    def _send(self, topic_name: str, event_type: str, body: Event) -> None:
        attributes = {"eventType": {"DataType": "String", "StringValue": event_type}}
        sns = self._client()
        topic = sns.create_topic(Name=topic_name)["TopicArn"]  # gives the one that is there
        sns.publish(TopicArn=topic, Message=json.dumps(body), MessageAttributes=attributes)

    def _client(self) -> Any:
        import boto3

        if self._sns is None:
            names = {
                "endpoint_url": "AWS_ENDPOINT_URL_SNS",
                "region_name": "AWS_REGION",
                "aws_access_key_id": "AWS_ACCESS_KEY_ID",
                "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
            }
            missing = [variable for variable in names.values() if variable not in self._environment]
            if missing:
                raise SandboxError(f"this sandbox has no SNS ({', '.join(missing)} unknown): start it without --no-sqs")
            self._sns = boto3.client("sns", **{name: self._environment[names[name]] for name in names})
        return self._sns

    def _newest_mapping(self, table: str, what: str, option: str) -> dict[str, Any]:
        first = self._admin.records(f"/mappings/{table}", page=0, size=1)
        total = int(first["total"])
        if total == 0:
            raise SandboxError(f"{what} has yet to be migrated: name one with {option}, or migrate some (make run)")
        return self._admin.records(f"/mappings/{table}", page=total - 1, size=1)["content"][0]
