"""CSIP reports that come, change and go in NOMIS, with all the events by which NOMIS would tell of them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from nomis_pipelines.sandbox.control import SandboxAdmin

Event = dict[str, Any]
Publish = Callable[..., Event]


class CsipEvents:
    """Changes reports and tells of it. `publish` sends one event of NOMIS; the last one sent is given back."""

    def __init__(self, admin: SandboxAdmin, publish: Publish) -> None:
        self._admin = admin
        self._publish = publish

    def report_inserted(self, like: int) -> Event:
        """Make a report alike to another, on its booking: it is told of before its parts."""
        booking_id = self._admin.nomis_csip(like)["bookingId"]
        report = self._admin.add_csip(like, booking_id)
        told = self.tell("CSIP_REPORTS-INSERTED", report)
        for stem, field, part_id in parts_of(report):
            told = self.tell(f"{stem}-INSERTED", report, **{field: part_id})
        return told

    def report_updated(self, report_id: int, log_number: str) -> Event:
        """Change the log number of a report."""
        changed = {"logNumber": log_number, **self._modified(self._admin.nomis_csip(report_id))}
        return self.tell("CSIP_REPORTS-UPDATED", self._admin.change_csip(report_id, **changed))

    def factor_inserted(self, report_id: int, code: str) -> Event:
        """Add a contributory factor to a report."""
        report = self._admin.nomis_csip(report_id)
        details = report["reportDetails"]
        made = self._modified(report)["lastModifiedDateTime"]
        factor = {
            "id": 1_500_000_000 + report_id * 100 + len(details["factors"]),
            "type": {"code": code, "description": code},
            "createDateTime": made,
            "createdBy": "NEW_GEN",
        }
        details["factors"].append(factor)
        self._admin.change_csip(report_id, reportDetails=details)
        return self.tell("CSIP_FACTORS-INSERTED", report, csipFactorId=factor["id"])

    def report_deleted(self, report_id: int) -> Event:
        """Delete a report with all its parts."""
        report = self._admin.nomis_csip(report_id)
        self._admin.remove_csip(report_id)
        return self.tell("CSIP_REPORTS-DELETED", report)

    def tell(self, event_type: str, report: Mapping[str, Any], **fields: object) -> Event:
        """Send one event about a report as it is."""
        return self._publish(
            event_type,
            csipReportId=report["id"],
            offenderIdDisplay=report["offender"]["offenderNo"],
            bookingId=report["bookingId"],
            **fields,
            auditModuleName="OIDCSIPC",
        )

    @staticmethod
    def _modified(report: Mapping[str, Any]) -> dict[str, str]:
        before = report.get("lastModifiedDateTime") or report["createDateTime"]
        later = datetime.fromisoformat(before) + timedelta(minutes=1)
        return {"lastModifiedDateTime": later.isoformat(timespec="seconds"), "lastModifiedBy": "MOD_GEN"}


def parts_of(report: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Of every part: the stem of its events, the field of its id in them, the id."""
    for factor in report["reportDetails"]["factors"]:
        yield "CSIP_FACTORS", "csipFactorId", factor["id"]
    for interview in report["investigation"].get("interviews") or ():
        yield "CSIP_INTVW", "csipInterviewId", interview["id"]
    for plan in report["plans"]:
        yield "CSIP_PLANS", "csipPlanId", plan["id"]
    for review in report["reviews"]:
        yield "CSIP_REVIEWS", "csipReviewId", review["id"]
        for attendee in review["attendees"]:
            yield "CSIP_ATTENDEES", "csipAttendeeId", attendee["id"]
