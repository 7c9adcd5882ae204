"""Promise: the models are those of the contracts, send the bytes of the cards' examples and read what comes."""

import importlib
import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from nomis_pipelines.contract_tools import Document, generation, load_contracts
from nomis_pipelines.contracts.adjustments import LegacyAdjustment, LegacyAdjustmentCreated
from nomis_pipelines.contracts.locations import MigrateLocation, UpsertLocation
from nomis_pipelines.contracts.nomis_mapping_service import (
    AdjustmentMapping,
    DuplicateMappingError,
    MappingPage,
    NewAdjudicationMappings,
    NewAdjustmentMapping,
    NewAppointmentMapping,
    NewLocationMapping,
    NewVisitMapping,
    VisitMapping,
    VisitRoomMapping,
)
from nomis_pipelines.contracts.nomis_prisoner import (
    AdjustmentIdPage,
    BookingAdjustments,
    Location,
    SentenceAdjustment,
    Visit,
    VisitIdPage,
)
from nomis_pipelines.contracts.visit_scheduler import CancelOutcome, CancelVisitRequest, MigrateVisitRequest

VISIT: dict[str, Any] = {
    "visitId": 70101, "offenderNo": "A1234KX", "startDateTime": "2026-03-02T14:00:00",
    "endDateTime": "2026-03-02T16:00:00", "prisonId": "BXI", "visitors": [{"personId": 880001, "leadVisitor": True}],
    "visitType": {"code": "SCON", "description": "Social Contact"},
    "visitStatus": {"code": "CANC", "description": "Cancelled"},
    "createUserId": "AB_GEN", "whenCreated": "2026-02-20T09:15:30.123",
}  # fmt: skip

SENTENCE_ADJUSTMENT: dict[str, Any] = {
    "id": 5551, "bookingId": 70010, "offenderNo": "A1234KX", "sentenceSequence": 2,
    "adjustmentType": {"code": "RX", "description": "Remand"}, "adjustmentDays": 30, "active": True,
    "hasBeenReleased": False, "prisonId": "LEI",
}  # fmt: skip

LOCATION: dict[str, Any] = {
    "locationId": 70412, "locationType": "CELL", "prisonId": "LEI", "locationCode": "004", "description": "LEI-B-1-004",
    "active": True, "createDatetime": "2019-05-20T14:00:05", "createUsername": "SYS_ADM",
}  # fmt: skip

SENT: list[tuple[type[BaseModel], str]] = [
    (
        NewAppointmentMapping,
        '{"appointmentInstanceId":880012,"nomisEventId":450099871,"mappingType":"MIGRATED",'
        '"label":"2026-09-30T07:45:02"}',
    ),
    (
        NewAdjudicationMappings,
        '{"adjudicationId":{"adjudicationNumber":4010203,"chargeSequence":2,"chargeNumber":"4010203-2"},'
        '"hearings":[{"nomisHearingId":3001,"dpsHearingId":"88"}],"punishments":[{"nomisBookingId":990011,'
        '"nomisSanctionSequence":7,"dpsPunishmentId":"501"}],"label":"2023-11-25T08:00:00","mappingType":"MIGRATED"}',
    ),
    (
        MigrateVisitRequest,
        '{"actionedBy":"CD_GEN","prisonerId":"A1234KX","prisonId":"BXI","startTimestamp":"2026-03-02T14:00:00",'
        '"endTimestamp":"2026-03-02T16:00:00","visitType":"SOCIAL","visitStatus":"CANCELLED",'
        '"outcomeStatus":"VISITOR_CANCELLED","visitRoom":"BXI-VISITS-SOC_VIS","visitRestriction":"UNKNOWN",'
        '"contactList":[{"nomisPersonId":880001},{"nomisPersonId":880002}],"visitors":[{"nomisPersonId":880001},'
        '{"nomisPersonId":880002}],"legacyData":{"leadVisitorId":880001},"visitContact":{"name":"Petra Novak",'
        '"telephone":"01632 960111 22"},"visitNotes":[],"createDateTime":"2026-02-20T09:15:30",'
        '"modifyDateTime":"2026-03-01T08:00:00"}',
    ),
    (
        MigrateVisitRequest,
        '{"actionedBy":"EF_GEN","prisonerId":"A5678KX","prisonId":"HEI","startTimestamp":"2026-03-12T13:45:00",'
        '"endTimestamp":"2026-03-12T14:45:00","visitType":"OFFICIAL","visitStatus":"BOOKED",'
        '"visitRoom":"Visits Main Room","visitRestriction":"CLOSED","contactList":[{"nomisPersonId":880003}],'
        '"visitors":[{"nomisPersonId":880003}],"visitNotes":[{"type":"VISITOR_CONCERN","text":"Needs interpreter"}],'
        '"createDateTime":"2026-03-05T10:00:00"}',
    ),
    (
        CancelVisitRequest,
        '{"actionedBy":"CD_GEN","cancelOutcome":{"outcomeStatus":"CANCELLATION","text":"Cancelled by NOMIS"}}',
    ),
    (
        NewVisitMapping,
        '{"nomisId":70101,"vsipId":"ab-cd-ef-gh","label":"2026-03-10T10:00:00","mappingType":"MIGRATED"}',
    ),
    (
        LegacyAdjustment,
        '{"bookingId":70010,"offenderNo":"A1234KX","adjustmentType":"ADA","adjustmentDate":"2024-02-01",'
        '"adjustmentFromDate":"2024-02-03","adjustmentDays":7,"comment":"Adjudication 12","active":true,'
        '"bookingReleased":false,"agencyId":"MDI"}',
    ),
    (
        LegacyAdjustment,
        '{"bookingId":70010,"sentenceSequence":2,"offenderNo":"A1234KX","adjustmentType":"RX",'
        '"adjustmentFromDate":"2026-01-05","adjustmentDays":30,"active":true,"bookingReleased":false,'
        '"agencyId":"LEI","currentTerm":true}',
    ),
    (
        NewAdjustmentMapping,
        '{"nomisAdjustmentId":4412,"nomisAdjustmentCategory":"KEY-DATE",'
        '"adjustmentId":"0d6f3c1e-1111-4222-8333-944445555666","label":"2024-06-12T10:00:00","mappingType":"MIGRATED"}',
    ),
    (
        NewLocationMapping,
        '{"dpsLocationId":"e0b8b0f4-6a37-4a0c-8a3d-3d1f6f1a7c55","nomisLocationId":70412,'
        '"label":"2025-02-03T10:15:00","mappingType":"MIGRATED"}',
    ),
    (
        MigrateLocation,
        '{"prisonId":"LEI","code":"004","locationType":"CELL","localName":"Cell 4","orderWithinParentLocation":4,'
        '"residentialHousingType":"NORMAL_ACCOMMODATION","parentId":"7a1c0a52-5d0e-4a35-9d7e-0c9f2b6f1a10",'
        '"capacity":{"maxCapacity":2,"workingCapacity":0},'
        '"certification":{"certified":true,"capacityOfCertifiedCell":1},'
        '"attributes":["SINGLE_OCCUPANCY","VULNERABLE_PRISONER_UNIT"],"usage":[],"isDeactivated":true,'
        '"deactivatedDate":"2024-01-15","deactivationReason":"DAMAGED","proposedReactivationDate":"2024-09-01",'
        '"createDate":"2019-05-20T14:00:05","lastUpdatedBy":"XQK12A","history":[{"attribute":"CAPACITY",'
        '"oldValue":"1","newValue":"2","amendedBy":"XQK12A","amendedDate":"2023-11-02T09:15:00"}]}',
    ),
    (
        UpsertLocation,
        '{"id":"2f9c5c1e-54b2-4c2e-9d7c-7b8f1e0a9d31","prisonId":"BXI","code":"VSIP_SOC","locationType":"VISITS",'
        '"parentId":"7a1c0a52-5d0e-4a35-9d7e-0c9f2b6f1a10","certifiedCell":false,"attributes":[],'
        '"usage":[{"usageType":"VISIT","capacity":10,"sequence":0}],"internalMovementAllowed":false,'
        '"isDeactivated":false,"createDate":"2026-03-02T08:00:00.123456","lastUpdatedBy":"PRISONER_VISITS"}',
    ),
]


def test_the_committed_models_are_those_of_the_contracts():
    assert generation.stale_files(generation.generate()) == []


@pytest.mark.parametrize("contract", load_contracts(), ids=lambda contract: contract.name)
def test_every_model_has_the_fields_of_its_schema_in_their_order(contract: Document):
    module = importlib.import_module(f"nomis_pipelines.contracts.{generation.module_name(contract)}")
    for name, schema in contract.content["components"]["schemas"].items():
        if "properties" in schema:
            model: type[BaseModel] = getattr(module, name)
            assert [field.alias for field in model.model_fields.values()] == list(schema["properties"]), name


@pytest.mark.parametrize(("model", "body"), SENT)
def test_a_request_is_written_byte_for_byte_as_in_the_cards_example(model: type[BaseModel], body: str):
    assert model.model_validate_json(body).model_dump_json(by_alias=True, exclude_none=True) == body


def test_models_are_built_by_their_python_names():
    request = CancelVisitRequest(
        actioned_by="CD_GEN", cancel_outcome=CancelOutcome(outcome_status="CANCELLATION", text="Cancelled by NOMIS")
    )

    assert json.loads(request.model_dump_json(by_alias=True))["cancelOutcome"]["outcomeStatus"] == "CANCELLATION"


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (MigrateVisitRequest, "visitType", "VIRTUAL"),
        (MigrateVisitRequest, "outcomeStatus", "RAIN"),
        (LegacyAdjustment, "adjustmentType", "XYZ"),
        (NewVisitMapping, "mappingType", "ONLINE"),
        (NewLocationMapping, "mappingType", "LOCATION_CREATED"),
        (MigrateLocation, "locationType", "KIOSK"),
        (UpsertLocation, "residentialHousingType", "NA"),
        (NewAppointmentMapping, "mappingType", "APPOINTMENT_CREATED"),
        (NewAdjudicationMappings, "mappingType", "ADJUDICATION_CREATED"),
    ],
)
def test_a_value_that_the_far_side_does_not_know_cannot_be_sent(model: type[BaseModel], field: str, value: str):
    body = json.loads(next(text for each, text in SENT if each is model))

    with pytest.raises(ValidationError):
        model.model_validate({**body, field: value})


def test_a_visit_may_lack_or_hold_null_in_everything_the_card_calls_nullable():
    nullable = ("leadVisitor", "visitOutcome", "agencyInternalLocation", "commentText", "visitorConcernText",
                "modifyUserId", "whenUpdated")  # fmt: skip

    absent, null = Visit.model_validate(VISIT), Visit.model_validate({**VISIT, **dict.fromkeys(nullable)})

    assert absent == null
    assert absent.lead_visitor is None


def test_a_code_that_we_do_not_know_reaches_the_transform():
    visit = Visit.model_validate({**VISIT, "visitStatus": {"code": "NEW", "description": "New"}})
    adjustment = {**SENTENCE_ADJUSTMENT, "adjustmentType": {"code": "NEW", "description": "New"}}

    assert visit.visit_status.code == "NEW"
    assert SentenceAdjustment.model_validate(adjustment).adjustment_type.code == "NEW"


@pytest.mark.parametrize(
    "changes",
    [
        {"unitType": "CELL"},
        {"reasonCode": "Z"},
        {"profiles": [{"profileType": "HOU_NEW", "profileCode": "A"}]},
        {"usages": [{"internalLocationUsageType": "GYM"}]},
    ],
)
def test_the_four_enumerations_of_a_location_are_read_strictly(changes: dict[str, Any]):
    assert Location.model_validate({**LOCATION, "locationType": "KIOSK"}).location_type == "KIOSK"
    with pytest.raises(ValidationError):
        Location.model_validate({**LOCATION, **changes})


def test_date_times_are_local_and_one_with_a_zone_is_refused():
    assert Visit.model_validate(VISIT).start_date_time.tzinfo is None
    with pytest.raises(ValidationError):
        Visit.model_validate({**VISIT, "startDateTime": "2026-03-02T14:00:00Z"})


def test_fields_that_we_do_not_know_are_ignored():
    assert Visit.model_validate({**VISIT, "newField": {"a": 1}}) == Visit.model_validate(VISIT)


def test_an_adjustment_of_2024_has_no_booking_sequence_and_may_have_no_hidden_flag():
    adjustment = SentenceAdjustment.model_validate(SENTENCE_ADJUSTMENT)

    assert adjustment.booking_sequence is None
    assert not adjustment.hidden_from_users


def test_pages_are_read_with_what_else_spring_puts_in_them():
    page = VisitIdPage.model_validate_json(
        b'{"content":[{"visitId":1}],"number":0,"size":1000,"totalElements":26,"totalPages":1,"first":true,"last":true,'
        b'"numberOfElements":26,"empty":false,"sort":{},"pageable":{}}'
    )
    ids = AdjustmentIdPage.model_validate(
        {"content": [{"adjustmentId": 4412, "adjustmentCategory": "KEY-DATE"}], "totalElements": 1}
    )

    assert (page.total_elements, [each.visit_id for each in page.content]) == (26, [1])
    assert ids.content[0].adjustment_category == "KEY-DATE"
    assert MappingPage.model_validate({"content": [], "totalElements": 3}).total_elements == 3


def test_both_kinds_of_a_bookings_adjustments_are_read():
    both = BookingAdjustments.model_validate({"sentenceAdjustments": [SENTENCE_ADJUSTMENT], "keyDateAdjustments": []})

    assert [each.sentence_sequence for each in both.sentence_adjustments] == [2]


def test_a_mapping_written_by_others_is_read():
    visit = VisitMapping.model_validate(
        {"nomisId": 1, "vsipId": "aa", "label": None, "mappingType": "ONLINE", "whenCreated": "2026-03-09T10:04:11"}
    )
    adjustment = AdjustmentMapping.model_validate(
        {"nomisAdjustmentId": 1, "nomisAdjustmentCategory": "SENTENCE", "adjustmentId": "x", "mappingType": "NEW"}
    )
    room = VisitRoomMapping.model_validate(
        {"vsipId": "Main", "nomisRoomDescription": "R", "prisonId": "HEI", "isOpen": False}
    )

    assert (visit.mapping_type, adjustment.mapping_type, room.is_open) == ("ONLINE", "NEW", False)
    assert LegacyAdjustmentCreated.model_validate({"adjustmentId": "x"}).adjustment_id == "x"


@pytest.mark.parametrize("status", [409, "CONFLICT"])
@pytest.mark.parametrize("existing", [None, {"nomisId": 1, "vsipId": "aa-11"}])
def test_a_duplicate_is_read_whatever_its_status_field_and_with_or_without_the_existing_one(
    status: int | str, existing: dict[str, Any] | None
):
    error = DuplicateMappingError.model_validate(
        {"status": status, "errorCode": 1409, "userMessage": "Conflict",
         "moreInfo": {"duplicate": {"nomisId": 1, "vsipId": "bb-22"}, "existing": existing}}
    )  # fmt: skip

    assert error.more_info.existing == existing


def test_lengths_are_no_matter_of_the_models():
    assert NewVisitMapping(nomis_id=1, vsip_id="x" * 41, label="y" * 21, mapping_type="MIGRATED")
