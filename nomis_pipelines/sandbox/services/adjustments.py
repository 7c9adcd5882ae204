"""The adjustments service, as far as synchronisation and migration see it (sentencing adjustments card, section 4)."""

from pydantic import TypeAdapter

from nomis_pipelines.contracts.adjustments import LegacyAdjustment
from nomis_pipelines.sandbox.answers import OK, Answer, Refusal, json_answer, not_found
from nomis_pipelines.sandbox.reading import read_body
from nomis_pipelines.sandbox.routing import Request, Router
from nomis_pipelines.sandbox.services import add_health
from nomis_pipelines.sandbox.stores.dps_adjustments import DpsAdjustments
from nomis_pipelines.sandbox.tokens import ADJUSTMENTS_ROLES

CONTENT_TYPE = "application/vnd.nomis-offence+json"

_ADJUSTMENT = TypeAdapter(LegacyAdjustment)


def build(adjustments: DpsAdjustments) -> Router:
    """The routing table of the adjustments service; every call but GET must have the vendor's content type."""
    router = Router()
    add_health(router)

    def create(request: Request) -> Answer:
        body = read_body(_ADJUSTMENT, request)
        dps_id = adjustments.add(
            request.body, booking_id=body.booking_id, days=body.adjustment_days, offender=body.offender_no
        )
        return json_answer({"adjustmentId": dps_id}, 201)

    def update(request: Request) -> Answer:
        read_body(_ADJUSTMENT, request)
        return _done(adjustments.update(request.parameters[0], request.body), request)

    def delete(request: Request) -> Answer:
        return _done(adjustments.delete(request.parameters[0]), request)

    def one(request: Request) -> Answer:
        body = adjustments.body(request.parameters[0])
        return _done(False, request) if body is None else Answer(200, body, CONTENT_TYPE.encode())

    for path in ("/legacy/adjustments", "/legacy/adjustments/migration"):
        router.add("POST", path, create, roles=ADJUSTMENTS_ROLES, content_type=CONTENT_TYPE, always_typed=True)
    path = "/legacy/adjustments/{adjustmentId}"
    router.add("PUT", path, update, roles=ADJUSTMENTS_ROLES, content_type=CONTENT_TYPE, always_typed=True)
    router.add("DELETE", path, delete, roles=ADJUSTMENTS_ROLES, content_type=CONTENT_TYPE, always_typed=True)
    router.add("GET", path, one, roles=ADJUSTMENTS_ROLES)
    return router


def _done(found: bool, request: Request) -> Answer:
    if not found:
        raise Refusal(not_found(f"No adjustment found with id {request.parameters[0]}"))
    return OK
