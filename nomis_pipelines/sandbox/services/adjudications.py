"""Adjudications in the sandbox: NOMIS's charges, their mappings, and the service that takes them (their card)."""

from typing import Any

from pydantic import TypeAdapter

from nomis_pipelines.contracts.adjudications import AdjudicationMigrateDto
from nomis_pipelines.contracts.nomis_mapping_service import NewAdjudicationMappings
from nomis_pipelines.sandbox.answers import (
    CREATED,
    Answer,
    classic_page,
    duplicate_mapping,
    error,
    json_answer,
    not_found,
)
from nomis_pipelines.sandbox.data.adjudications import AdjudicationData, ChargeFilter, Key
from nomis_pipelines.sandbox.reading import Query, check_length, path_integer, read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.stores.adjudication_mappings import AdjudicationMappings
from nomis_pipelines.sandbox.stores.dps_adjudications import DpsAdjudications, hearing_id, punishment_id
from nomis_pipelines.sandbox.stores.mappings import Pair
from nomis_pipelines.sandbox.tokens import ADJUDICATIONS_2024_ROLES, ADJUDICATIONS_ROLES, MAPPING_ROLES, NOMIS_ROLES

_CHARGE = TypeAdapter(AdjudicationMigrateDto)
_MAPPINGS = TypeAdapter(NewAdjudicationMappings)
_BY_KEY = "/adjudication-number/{adjudicationNumber}/charge-sequence/{chargeSequence}"


def add_to_nomis(router: Router, data: AdjudicationData) -> None:
    """Serve the charges of NOMIS (section 3)."""

    def ids(request: Request) -> Answer:
        query = Query(request)
        number, size = query.page()
        wanted = ChargeFilter(prisons=query.texts("prisonIds"), first=query.day("fromDate"), last=query.day("toDate"))
        found = data.select(wanted)
        content = [
            b'{"adjudicationNumber":%d,"chargeSequence":%d,"offenderNo":"%s"}' % (*key, data.offender(key).encode())
            for key in found[number * size : (number + 1) * size]
        ]
        return classic_page(content, total=len(found), number=number, size=size)

    def one(request: Request) -> Answer:
        key = _key(request)
        charge = data.charge(key)
        if charge is None:
            return not_found(f"Adjudication charge not found for adjudication number {key[0]} and sequence {key[1]}")
        return json_answer(charge)

    roles = NOMIS_ROLES | ADJUDICATIONS_2024_ROLES
    router.add("GET", "/adjudications/charges/ids", ids, roles=roles)
    router.add("GET", "/adjudications" + _BY_KEY, one, roles=roles)


def add_to_mapping(router: Router, mappings: AdjudicationMappings) -> None:
    """Serve the mappings (section 2)."""
    charges = mappings.charges

    def find(request: Request) -> Answer:
        key = _key(request)
        pair = charges.get(key)
        return not_found(f"Adjudication mapping {key}") if pair is None else json_answer(_as_json(key, pair))

    def create(request: Request) -> Answer:
        body = read_body(_MAPPINGS, request)
        check_length("label", body.label, 20)
        refused = mappings.add(body)
        if refused is None:
            return CREATED
        duplicate, existing = refused
        return duplicate_mapping(existing, duplicate)

    def by_label(request: Request) -> Answer:
        number, size = Query(request).page()
        pairs, total = charges.page(request.parameters[0], number * size, size)
        content = [json_answer(_as_json(key, pair)).body for key, pair in pairs]
        return classic_page(content, total=total, number=number, size=size)

    def remove(request: Request) -> Answer:
        charges.remove_dps_id(request.parameters[0])
        return Answer(204)

    roles, path = MAPPING_ROLES | ADJUDICATIONS_2024_ROLES, "/mapping/adjudications"
    router.add("GET", path + _BY_KEY, find, roles=roles)
    router.add("POST", path + "/all", create, roles=roles)
    router.add("GET", path + "/migration-id/{migrationId}", by_label, roles=roles)
    router.add("DELETE", path + "/charge-number/{chargeNumber}", remove, roles=roles)


def add_to_dps(router: Router, adjudications: DpsAdjudications) -> None:
    """Serve the adjudications service (section 4)."""

    def migrate(request: Request) -> Answer:
        charge = read_body(_CHARGE, request)
        if any(hearing.hearing_date_time < charge.incident_date_time for hearing in charge.hearings):
            return error(422, "Validation failure", "hearings: one is before the incident")
        taken = adjudications.add(request.body, charge)
        if taken.known:
            return error(406, "Not acceptable", "the charge is here already")
        return json_answer(_response(taken.charge_number, charge), 201)

    def reported(request: Request) -> Answer:
        found = adjudications.reported(request.parameters[0], request.caseload.decode("latin-1"))
        if found is None:
            return not_found(f"ReportedAdjudication not found for {request.parameters[0]}")
        return json_answer({"reportedAdjudication": found})

    router.add("POST", "/reported-adjudications/migrate", migrate, roles=ADJUDICATIONS_ROLES)
    router.add("GET", "/reported-adjudications/{chargeNumber}/v2", reported, roles=ADJUDICATIONS_ROLES)


def _response(charge_number: str, charge: AdjudicationMigrateDto) -> dict[str, Any]:
    """The ids of what was made; a punishment that follows another is told without its NOMIS sequence."""
    return {
        "chargeNumberMapping": {
            "chargeNumber": charge_number,
            "oicIncidentId": charge.oic_incident_id,
            "offenceSequence": charge.offence_sequence,
        },
        "hearingMappings": [
            {"hearingId": hearing_id(hearing.oic_hearing_id), "oicHearingId": hearing.oic_hearing_id}
            for hearing in charge.hearings
        ],
        "punishmentMappings": [
            {
                "punishmentId": punishment_id(punishment.sanction_seq),
                "bookingId": charge.booking_id,
                "sanctionSeq": punishment.sanction_seq if punishment.consecutive_charge_number is None else None,
            }
            for punishment in charge.punishments
        ],
    }


def _key(request: Request) -> Key:
    number, sequence = request.parameters
    return path_integer("adjudicationNumber", number), path_integer("chargeSequence", sequence)


def _as_json(key: Key, pair: Pair) -> dict[str, Any]:
    return {
        "adjudicationNumber": key[0],
        "chargeSequence": key[1],
        "chargeNumber": pair.dps_id,
        "label": pair.label,
        "mappingType": pair.mapping_type,
        "whenCreated": pair.when_created,
    }
