"""The mapping service's part that is about alerts (alerts card, section 2)."""

from typing import Any, Literal

from pydantic import TypeAdapter

from nomis_pipelines.contracts.nomis_mapping_service import (
    AlertMappingId,
    MergedAlertMappings,
    NewAlertMapping,
    NewPrisonerAlertMappings,
)
from nomis_pipelines.sandbox.answers import (
    CREATED,
    NO_CONTENT,
    OK,
    Answer,
    classic_page,
    duplicate_mapping,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.data.alerts import AlertKey
from nomis_pipelines.sandbox.reading import Query, check_length, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.alert_mappings import AlertMappingTable, AlertPair
from nomis_pipelines.sandbox.tokens import ALERTS_2024_ROLES, MAPPING_ROLES, ROOM_ROLES

ROLES = MAPPING_ROLES | ALERTS_2024_ROLES
PATH = "/mapping/alerts"


class AnyAlertMapping(NewAlertMapping):
    """What others may post too: the service that goes the other way writes `DPS_CREATED`."""

    label: str | None = None
    mapping_type: Literal["MIGRATED", "DPS_CREATED", "NOMIS_CREATED"]  # pyright: ignore[reportIncompatibleVariableOverride]


_ONE = TypeAdapter(AnyAlertMapping)
_BATCH = TypeAdapter(list[AnyAlertMapping])
_PRISONER = TypeAdapter(NewPrisonerAlertMappings)
_MERGED = TypeAdapter(MergedAlertMappings)


def add_alerts(router: Router, table: AlertMappingTable) -> None:
    """Serve `/mapping/alerts`. Unlike other pairs, the very same one again is a conflict with itself."""
    _add_single(router, table)
    _add_prisoners(router, table)
    _add_removals(router, table)


def _add_single(router: Router, table: AlertMappingTable) -> None:
    def find(request: Request) -> Answer:
        key = (path_integer("bookingId", request.parameters[0]), path_integer("alertSequence", request.parameters[1]))
        pair = table.get(key)
        return not_found(f"Alert with {key}") if pair is None else json_answer(_json(key, pair))

    def create(bodies: list[AnyAlertMapping]) -> Answer:
        for body in bodies:
            check_length("label", body.label, 20)
            key = (body.nomis_booking_id, body.nomis_alert_sequence)
            refused = _conflict(table, body.offender_no, body.label, body.mapping_type, [(key, body.dps_alert_id)])
            if refused is not None:
                return refused
        for body in bodies:
            pair = ((body.nomis_booking_id, body.nomis_alert_sequence), body.dps_alert_id)
            table.add(body.offender_no, body.label, body.mapping_type, [pair])
        return CREATED

    path = "/nomis-booking-id/{bookingId}/nomis-alert-sequence/{alertSequence}"
    router.add("GET", PATH + path, find, roles=ROLES)
    router.add("POST", PATH, lambda request: create([read_body(_ONE, request)]), roles=ROLES)
    router.add("POST", PATH + "/batch", lambda request: create(read_body(_BATCH, request)), roles=ROLES)


def _add_prisoners(router: Router, table: AlertMappingTable) -> None:
    def all_of(request: Request) -> Answer:
        return json_answer({"mappings": [_json(*found) for found in table.of_prisoner(request.parameters[0])]})

    def create(request: Request) -> Answer:
        prisoner, body = request.parameters[0], read_body(_PRISONER, request)
        check_length("label", body.label, 20)
        pairs = _pairs(body.mappings)
        refused = _conflict(table, prisoner, body.label, body.mapping_type, pairs)
        if refused is None:
            table.add(prisoner, body.label, body.mapping_type, pairs)
        return refused or CREATED

    def replace(request: Request) -> Answer:
        body = read_body(_PRISONER, request)
        table.replace(request.parameters[0], body.mapping_type, _pairs(body.mappings))
        return OK

    def merge(request: Request) -> Answer:
        body = read_body(_MERGED, request)
        table.remove("prisoner", body.removed_offender_no)
        table.replace(request.parameters[0], body.prisoner_mapping.mapping_type, _pairs(body.prisoner_mapping.mappings))
        return OK

    def grouped(request: Request) -> Answer:
        number, size = Query(request).page()
        found = table.prisoners_of(request.parameters[0])
        content = [
            json_answer({"offenderNo": prisoner, "mappingsCount": count, "whenCreated": when}).body
            for prisoner, count, when in found[number * size : (number + 1) * size]
        ]
        return classic_page(content, total=len(found), number=number, size=size)

    router.add("GET", PATH + "/{offenderNo}/all", all_of, roles=ROLES)
    router.add("POST", PATH + "/{offenderNo}/all", create, roles=ROLES)
    router.add("PUT", PATH + "/{offenderNo}/all", replace, roles=ROLES)
    router.add("PUT", PATH + "/{offenderNo}/merge", merge, roles=ROLES)
    router.add("GET", PATH + "/migration-id/{migrationId}/grouped-by-prisoner", grouped, roles=ROLES)


def _add_removals(router: Router, table: AlertMappingTable) -> None:
    def remove_dps(request: Request) -> Answer:
        table.remove("dps", request.parameters[0])
        return NO_CONTENT

    def remove_all(_request: Request) -> Answer:
        table.remove("all", "")
        return NO_CONTENT

    router.add("DELETE", PATH + "/dps-alert-id/{dpsAlertId}", remove_dps, roles=ROLES)
    router.add("DELETE", PATH, remove_all, roles=ROLES | ROOM_ROLES)


def _pairs(mappings: list[AlertMappingId]) -> list[tuple[AlertKey, str]]:
    return [((each.nomis_booking_id, each.nomis_alert_sequence), each.dps_alert_id) for each in mappings]


def _conflict(
    table: AlertMappingTable,
    prisoner: str,
    label: str | None,
    mapping_type: str,
    pairs: list[tuple[AlertKey, str]],
) -> Answer | None:
    found = table.conflict(pairs)
    if found is None:
        return None
    key, dps_id, known_key, known = found
    posted = _json(key, AlertPair(dps_id, prisoner, label, mapping_type, ""))
    del posted["whenCreated"]
    return duplicate_mapping(_json(known_key, known), posted)


def _json(key: AlertKey, pair: AlertPair) -> dict[str, Any]:
    return {
        "dpsAlertId": pair.dps_id,
        "nomisBookingId": key[0],
        "nomisAlertSequence": key[1],
        "offenderNo": pair.prisoner,
        "label": pair.label,
        "mappingType": pair.mapping_type,
        "whenCreated": pair.when_created,
    }
