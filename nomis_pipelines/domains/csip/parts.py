"""The parts of a CSIP report, each with ids and mappings of its own (CSIP card, sections 2, 4 and 6.4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from pydantic import NaiveDatetime

from nomis_pipelines.contracts.csip import SyncedCsip
from nomis_pipelines.contracts.nomis_mapping_service import CsipFullMapping
from nomis_pipelines.contracts.nomis_prisoner import CsipReport
from nomis_pipelines.ledger import RecordKey

DOMAIN = "csip"
NOMIS_ID_FIELD = "nomisCSIPReportId"
DPS_ID_FIELD = "dpsCSIPReportId"
RECORD = "RECORD"
"""The component that stands for the record itself."""
MIGRATED = "MIGRATED"
NOMIS_CREATED = "NOMIS_CREATED"
DPS_CREATED = "DPS_CREATED"
PARTS_ONLY = "partsOnly"
"""Marks, in the ledger, pairs that are to be added to a report that is mapped (M5), not recorded with it (M4)."""

Json = dict[str, Any]


class Audited(Protocol):
    """What a report and each of its parts say of themselves."""

    id: int
    create_date_time: NaiveDatetime
    created_by: str
    last_modified_date_time: NaiveDatetime | None
    last_modified_by: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of part: what DPS calls it, its list in a full mapping, its property in telemetry, its rows in NOMIS."""

    component: str
    field: str
    told: str
    rows: Callable[[CsipReport], Sequence[Audited]]


FACTOR = Part(
    "CONTRIBUTORY_FACTOR", "factorMappings", "nomisCSIPFactorId", lambda report: report.report_details.factors
)
INTERVIEW = Part(
    "INTERVIEW", "interviewMappings", "nomisCSIPInterviewId", lambda report: report.investigation.interviews or []
)
PLAN = Part("IDENTIFIED_NEED", "planMappings", "nomisCSIPPlanId", lambda report: report.plans)
REVIEW = Part("REVIEW", "reviewMappings", "nomisCSIPReviewId", lambda report: report.reviews)
ATTENDEE = Part(
    "ATTENDEE",
    "attendeeMappings",
    "nomisCSIPAttendeeId",
    lambda report: [attendee for review in report.reviews for attendee in review.attendees],
)
PARTS = (ATTENDEE, FACTOR, INTERVIEW, PLAN, REVIEW)


@dataclass(frozen=True, slots=True)
class PartsKey:
    """Parts added to a report that DPS has already: what one update made there."""

    report_id: int

    def __str__(self) -> str:
        return f"{self.report_id}/parts"

    @property
    def ledger_key(self) -> RecordKey:
        """Its key in the ledger."""
        return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(self))


CsipId = int | PartsKey
"""A report; or parts that an event added, for what synchronisation left in the ledger and is taken up by a retry."""


def parse_id(text: str) -> CsipId:
    """From its text in the ledger. Raises `ValueError`."""
    report_id, slash, rest = text.partition("/")
    if slash and rest != "parts":
        raise ValueError(text)
    return PartsKey(int(report_id)) if slash else int(report_id)


def report_key(report_id: int) -> RecordKey:
    """The key of a report in the ledger, the same for migration and synchronisation."""
    return RecordKey(domain=DOMAIN, entity=DOMAIN, nomis_key=str(report_id))


class KnownParts:
    """The DPS ids of the parts of a report that are mapped (section 6.4)."""

    def __init__(self, mapping: CsipFullMapping | None = None) -> None:
        pairs = mapping.model_dump(by_alias=True) if mapping is not None else {}
        self._ids = {
            part.field: {pair["nomisId"]: pair["dpsId"] for pair in pairs.get(part.field, ())} for part in PARTS
        }

    def id_of(self, part: Part, nomis_id: int) -> UUID | None:
        """The DPS id of a part; None tells DPS that it is new."""
        dps_id = self._ids[part.field].get(nomis_id)
        return None if dps_id is None else UUID(dps_id)

    def cover(self, report: CsipReport) -> bool:
        """Whether DPS has every part of the report, so that sending it makes nothing new."""
        return all(row.id in self._ids[part.field] for part in PARTS for row in part.rows(report))

    def hold(self, mapping: Mapping[str, Any]) -> bool:
        """Whether all parts of a full mapping are mapped just so."""
        return all(
            self._ids[part.field].get(pair["nomisId"]) == pair["dpsId"]
            for part in PARTS
            for pair in mapping.get(part.field, ())
        )


def pairs_of(report_id: int, dps_id: str, made: SyncedCsip, mapping_type: str, *, label: str | None = None) -> Json:
    """The full mapping of what DPS has made, with `label` and `mappingType` on the report and on every part."""
    origin: Json = ({} if label is None else {"label": label}) | {"mappingType": mapping_type}
    pairs: dict[str, list[Json]] = {part.field: [] for part in PARTS}
    fields = {part.component: part.field for part in PARTS}
    for component in made.mappings:
        if component.component in fields:
            pair = {"nomisId": component.id, "dpsId": str(component.uuid), DPS_ID_FIELD: dps_id, **origin}
            pairs[fields[component.component]].append(pair)
    return {NOMIS_ID_FIELD: report_id, DPS_ID_FIELD: dps_id, **origin, **pairs}


def record_of(made: SyncedCsip) -> str | None:
    """The id of the record itself among what DPS has made."""
    return next((str(each.uuid) for each in made.mappings if each.component == RECORD), None)


def duplicate_properties(duplicate: Mapping[str, Any] | None, existing: Mapping[str, Any] | None) -> dict[str, object]:
    """What duplicate events tell of the surplus pair and of the one in the mapping service (sections 5 and 7.5)."""
    return {
        f"{prefix}{name}": (pair or {}).get(field)
        for name, field in (("NomisCSIPId", NOMIS_ID_FIELD), ("DPSCSIPId", DPS_ID_FIELD))
        for prefix, pair in (("existing", existing), ("duplicate", duplicate))
    }
