"""The CSIP service, as far as synchronisation and migration see it (CSIP card, section 4)."""

from typing import Any, cast

from pydantic import TypeAdapter

from nomis_pipelines.contracts.csip import DeletedCsip, MovedCsips, SyncCsip
from nomis_pipelines.sandbox.answers import NO_CONTENT, OK, Answer, bad_request, json_answer, not_found
from nomis_pipelines.sandbox.reading import check_length, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.dps_csip import DpsCsip, UnknownPart
from nomis_pipelines.sandbox.tokens import CSIP_ROLES

_SYNC = TypeAdapter(SyncCsip)
_DELETE = TypeAdapter(DeletedCsip)
_MOVE = TypeAdapter(MovedCsips)
_LENGTHS = {
    "prisonNumber": 10, "logCode": 10, "incidentTypeCode": 12, "incidentLocationCode": 12, "refererAreaCode": 12,
    "referredBy": 240, "assaultedStaffName": 1000, "factorTypeCode": 12, "interviewee": 100, "identifiedNeed": 1000,
    "responsiblePerson": 100, "caseManager": 100, "reasonForPlan": 240, "name": 100, "role": 50, "recordedBy": 64,
    "recordedByDisplayName": 255, "completedBy": 64, "completedByDisplayName": 255,
}  # fmt: skip
_LONGEST = 4000


def build(records: DpsCsip) -> Router:
    """The routing table of the CSIP service."""
    router = Router()
    add_health(router)

    def synchronise(request: Request) -> Answer:
        body = read_body(_SYNC, request).model_dump(mode="json", by_alias=True, exclude_none=True)
        _check(body)
        try:
            made = records.update(body) if "id" in body else records.make(body)
        except UnknownPart as unknown:
            return not_found(f"{unknown} not found")
        if made is None:
            return not_found(f"CSIP record {body['id']} not found")
        rows = [{"component": each.component, "id": each.legacy_id, "uuid": each.dps_id} for each in made]
        return json_answer({"mappings": rows})

    def delete(request: Request) -> Answer:
        read_body(_DELETE, request)
        dps_id = request.parameters[0]
        return NO_CONTENT if records.delete(dps_id) else not_found(f"CSIP record {dps_id} not found")

    def move(request: Request) -> Answer:
        wanted = read_body(_MOVE, request)
        for dps_id in map(str, wanted.record_uuids):
            record = records.record(dps_id)
            if record is None or record["prisonNumber"] not in (wanted.from_prison_number, wanted.to_prison_number):
                return bad_request(f"record {dps_id} is not of {wanted.from_prison_number}")
        for dps_id in map(str, wanted.record_uuids):
            records.move(dps_id, wanted.to_prison_number)
        return OK

    router.add("PUT", "/sync/csip-records", synchronise, roles=CSIP_ROLES)
    router.add("PUT", "/sync/csip-records/move", move, roles=CSIP_ROLES)
    router.add("DELETE", "/sync/csip-records/{id}", delete, roles=CSIP_ROLES)
    return router


def _check(value: Any, name: str = "") -> None:
    """Refuse texts that are too long, wherever they are."""
    if isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            _check(each, key)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            _check(each, name)
    elif isinstance(value, str):
        check_length(name, value, _LENGTHS.get(name, _LONGEST))
