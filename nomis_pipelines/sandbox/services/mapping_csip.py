"""The mapping service's part that is about CSIP (CSIP card, section 2)."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from nomis_pipelines.sandbox.answers import (
    CREATED,
    NO_CONTENT,
    Answer,
    classic_page,
    duplicate_mapping,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.reading import Query, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.csip_mappings import LISTS, CsipMappings, Json
from nomis_pipelines.sandbox.tokens import CSIP_ROLES, MAPPING_ROLES, ROOM_ROLES

PATH = "/mapping/csip"
ROLES = MAPPING_ROLES | CSIP_ROLES
SEGMENTS = {
    "factors": "factorMappings", "interviews": "interviewMappings", "plans": "planMappings",
    "reviews": "reviewMappings", "attendees": "attendeeMappings",
}  # fmt: skip


class _Common(BaseModel):
    """What every pair may have."""

    model_config = ConfigDict(alias_generator=to_camel)

    label: str | None = Field(None, max_length=20)
    mapping_type: Literal["MIGRATED", "NOMIS_CREATED", "DPS_CREATED"]
    when_created: str | None = None
    dps_csip_report_id: str = Field(alias="dpsCSIPReportId")


class _Child(_Common):
    nomis_id: int
    dps_id: str


class _Full(_Common):
    nomis_csip_report_id: int = Field(alias="nomisCSIPReportId")
    attendee_mappings: list[_Child]
    factor_mappings: list[_Child]
    interview_mappings: list[_Child]
    plan_mappings: list[_Child]
    review_mappings: list[_Child]


_FULL = TypeAdapter(_Full)
_CHILD = TypeAdapter(_Child)


def add_csip(router: Router, table: CsipMappings) -> None:
    """Serve `/mapping/csip`."""
    _add_reports(router, table)
    _add_changes(router, table)
    for segment, name in SEGMENTS.items():
        _add_parts(router, table, segment, name)


def _add_reports(router: Router, table: CsipMappings) -> None:
    def find(request: Request) -> Answer:
        found = table.get(path_integer("nomisCSIPReportId", request.parameters[0]))
        return not_found(f"CSIP mapping {request.parameters[0]}") if found is None else json_answer(_report(found))

    def several(request: Request) -> Answer:
        wanted = [path_integer("nomisCSIPId", text) for text in sorted(Query(request).texts("nomisCSIPId"))]
        found = [table.get(number) for number in sorted(wanted)]
        if None in found:
            return not_found(f"CSIP mapping {wanted[found.index(None)]}")
        return json_answer([_report(each) for each in found if each is not None])

    def full(request: Request) -> Answer:
        found = table.by_dps_id(request.parameters[0])
        return not_found(f"CSIP mapping {request.parameters[0]}") if found is None else json_answer(found)

    def by_label(request: Request) -> Answer:
        number, size = Query(request).page()
        found = table.labelled(request.parameters[0])
        content = [json_answer(_report(each)).body for each in found[number * size : (number + 1) * size]]
        return classic_page(content, total=len(found), number=number, size=size)

    router.add("GET", PATH + "/nomis-csip-id/{nomisCSIPReportId}", find, roles=ROLES)
    router.add("GET", PATH + "/nomis-csip-id", several, roles=ROLES)
    router.add("GET", PATH + "/dps-csip-id/{dpsCSIPReportId}/all", full, roles=ROLES)
    router.add("GET", PATH + "/migration-id/{migrationId}", by_label, roles=ROLES)


def _add_changes(router: Router, table: CsipMappings) -> None:
    def create(request: Request) -> Answer:
        posted = _json(read_body(_FULL, request))
        known = table.add(posted)
        return CREATED if known is None else _duplicate(known, posted)

    def add_children(request: Request) -> Answer:
        posted = _json(read_body(_FULL, request))
        if table.by_dps_id(posted["dpsCSIPReportId"]) is None:
            return not_found(f"CSIP mapping {posted['dpsCSIPReportId']}")
        known = table.add_parts(posted)
        return CREATED if known is None else _duplicate(known, posted)

    def remove(request: Request) -> Answer:
        table.remove(request.parameters[0])
        return NO_CONTENT

    def remove_all(request: Request) -> Answer:
        table.remove_all(only_migrated=Query(request).flag("onlyMigrated", False))
        return NO_CONTENT

    router.add("POST", PATH + "/all", create, roles=ROLES)
    router.add("POST", PATH + "/children/all", add_children, roles=ROLES)
    router.add("DELETE", PATH + "/dps-csip-id/{dpsCSIPReportId}/all", remove, roles=ROLES)
    router.add("DELETE", PATH + "/all", remove_all, roles=ROLES | ROOM_ROLES)


def _add_parts(router: Router, table: CsipMappings, segment: str, name: str) -> None:
    """One table of parts: what the DPS-to-NOMIS service records of its own, and operators put right."""

    def find(request: Request) -> Answer:
        found = table.part(name, path_integer("nomisId", request.parameters[0]))
        return not_found(f"CSIP {segment} {request.parameters[0]}") if found is None else json_answer(found)

    def create(request: Request) -> Answer:
        child = _json(read_body(_CHILD, request))
        report = table.by_dps_id(child["dpsCSIPReportId"])
        if report is None:
            return not_found(f"CSIP mapping {child['dpsCSIPReportId']}")
        posted = {**_report(report), **{each: [] for each in LISTS}, name: [child]}
        known = table.add_parts(posted)
        return CREATED if known is None else _duplicate(known, posted)

    kind = segment.removesuffix("s")
    router.add("GET", f"{PATH}/{segment}/nomis-csip-{kind}-id/{{id}}", find, roles=ROLES)
    router.add("POST", f"{PATH}/{segment}", create, roles=ROLES | ROOM_ROLES)


def _json(model: BaseModel) -> Json:
    return model.model_dump(by_alias=True, exclude_none=True)


def _report(mapping: Json) -> Json:
    return {name: value for name, value in mapping.items() if name not in LISTS}


def _duplicate(existing: Json, posted: Json) -> Answer:
    """What is there is shown without its parts; null when only parts clash and the report is not mapped."""
    shown: Any = {**_report(existing), **{name: [] for name in LISTS}} if existing else None
    return duplicate_mapping(shown, posted)
