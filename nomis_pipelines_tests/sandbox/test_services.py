"""Promise: the services behave as the cards say: tokens and roles, 400 with the reason, 404, 409, 415, 422, paging."""

from datetime import timedelta

import jwt
import pytest

from nomis_pipelines.contracts.nomis_mapping_service import DuplicateMappingError
from nomis_pipelines.contracts.nomis_prisoner import BookingAdjustments, VisitIdPage
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

MAPPING = {"nomisId": 1, "vsipId": "aa-11", "label": "2026-03-10T10:00:00", "mappingType": "MIGRATED"}
PAIR = {
    "nomisAdjustmentId": 1,
    "nomisAdjustmentCategory": "KEY-DATE",
    "adjustmentId": "u1",
    "label": "L",
    "mappingType": "MIGRATED",
}
VENDOR = {"Content-Type": "application/vnd.nomis-offence+json"}


def migrate_body(visit: dict, **changes: object) -> dict:
    return {
        "actionedBy": "AB_GEN",
        "prisonerId": visit["offenderNo"],
        "prisonId": visit["prisonId"],
        "startTimestamp": visit["startDateTime"],
        "endTimestamp": visit["endDateTime"],
        "visitType": "SOCIAL",
        "visitStatus": "BOOKED",
        "visitRoom": "UNKNOWN",
        "visitRestriction": "UNKNOWN",
        "contactList": [{"nomisPersonId": 1}],
        "visitors": [{"nomisPersonId": 1}],
        "visitNotes": [],
        "createDateTime": visit["whenCreated"][:19],
        **changes,
    }


def adjustment_body(adjustment: dict, **changes: object) -> dict:
    return {
        "bookingId": adjustment["bookingId"],
        "offenderNo": adjustment["offenderNo"],
        "adjustmentType": "RX",
        "adjustmentDays": adjustment["adjustmentDays"],
        "active": True,
        "bookingReleased": False,
        "currentTerm": True,
        **changes,
    }


async def test_auth_gives_a_signed_token_with_the_roles_of_the_client(running: Running) -> None:
    form = {"grant_type": "client_credentials"}
    url = running.url("auth", "/auth/oauth/token")
    answer = await running.http.post(url, data=form, auth=("nomis-prisoner-api", "nomis-prisoner-api-secret"))
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["expires_in"] == 1200
    keys = jwt.PyJWKSet.from_dict((await running.http.get(running.url("auth", "/auth/.well-known/jwks.json"))).json())
    token = answer.json()["access_token"]
    claims = jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], algorithms=["RS256"])
    assert claims["authorities"] == ["ROLE_NOMIS_PRISONER_API__SYNCHRONISATION__RW"]
    assert claims["client_id"] == "nomis-prisoner-api"
    assert "user_name" not in claims


async def test_auth_refuses_a_wrong_secret_and_names_the_user_of_an_operator(running: Running) -> None:
    form = {"grant_type": "client_credentials", "username": "AB_GEN"}
    url = running.url("auth", "/auth/oauth/token")
    assert (await running.http.post(url, data=form, auth=("operator", "wrong"))).status_code == 401
    answer = await running.http.post(url, data=form, auth=("operator", "operator-secret"))
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert claims["user_name"] == "AB_GEN"
    assert "ROLE_MIGRATE_VISITS" in claims["authorities"]


async def test_no_token_is_401_without_a_body_and_a_wrong_role_403(running: Running) -> None:
    answer = await running.http.get(running.url("nomis", "/visits/1"))
    assert (answer.status_code, answer.content) == (401, b"")
    headers = {"Authorization": "Bearer nonsense"}
    assert (await running.call("nomis", "GET", "/visits/1", headers=headers)).status_code == 401
    assert (await running.call("nomis", "GET", "/visits/1", client="visits-api")).status_code == 403
    assert (await running.call("nomis", "GET", "/visits/1", client="nomis-2024")).status_code == 200
    assert (await running.http.get(running.url("nomis", "/health/ping"))).json() == {"status": "UP"}


async def test_visit_ids_come_in_pages_by_prison_type_and_creation(running: Running) -> None:
    path = "/visits/ids?prisonIds=HEI&prisonIds=BXI&visitTypes=SCON&ignoreMissingRoom=true&page=1&size=50"
    answer = await running.call("nomis", "GET", f"{path}&fromDateTime=2024-05-01T00:00&toDateTime=2024-12-31T23:59:59")
    page = VisitIdPage.model_validate_json(answer.content)
    assert len(page.content) == 50
    assert answer.json()["number"] == 1
    assert answer.json()["totalPages"] == -(-page.total_elements // 50)
    visits = [(await running.call("nomis", "GET", f"/visits/{row.visit_id}")).json() for row in page.content[:5]]
    assert {visit["prisonId"] for visit in visits} <= {"HEI", "BXI"}
    assert all("2024-05-01" <= visit["whenCreated"] <= "2025" for visit in visits)
    beyond = await running.call("nomis", "GET", "/visits/ids?prisonIds=ZZI&page=3")
    assert beyond.json()["content"] == []


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/visits/ids?page=x", "page"),
        ("/visits/ids?page=-1", "page"),
        ("/visits/ids?size=0", "size"),
        ("/visits/ids?fromDateTime=2024-05-01", "fromDateTime"),
        ("/visits/ids?toDateTime=2024-13-01T00:00", "toDateTime"),
        ("/visits/ids?visitTypes=SOCIAL", "visitTypes"),
        ("/visits/rooms/usage-count?futureVisitsOnly=1", "futureVisitsOnly"),
        ("/visits/twelve", "visitId"),
        ("/adjustments/ids?fromDate=2024-05-01T00:00", "fromDate"),
    ],
)
async def test_a_query_that_cannot_be_read_is_400_and_names_the_parameter(
    running: Running, path: str, parameter: str
) -> None:
    answer = await running.call("nomis", "GET", path)
    assert answer.status_code == 400
    assert answer.json()["userMessage"].startswith(f"Invalid Argument: {parameter}: ")


async def test_what_does_not_exist_is_404_in_the_hmpps_shape(running: Running) -> None:
    for path in ("/visits/3001", "/sentence-adjustments/99999", "/prisoners/booking-id/5/sentencing-adjustments"):
        answer = await running.call("nomis", "GET", path)
        assert answer.status_code == 404
        assert answer.json()["status"] == 404
    assert (await running.call("nomis", "GET", "/visit/1")).status_code == 404
    assert (await running.call("nomis", "POST", "/visits/ids")).status_code == 405


async def test_the_room_usage_counts_future_visits_of_the_next_year(running: Running) -> None:
    answer = await running.call("nomis", "GET", "/visits/rooms/usage-count?prisonIds=HEI")
    data = running.server.stores.nomis_visits.data
    today = WORLD.london_today()
    numbers = [n for n in range(1, WORLD.visits + 1) if data.prison_and_type(n)[0] == "HEI" and data.room(n)]
    starts = [data.start(number).date() for number in numbers]
    expected = sum(today < start < today + timedelta(days=365) for start in starts)
    assert sum(row["count"] for row in answer.json()) == expected > 0
    everything = await running.call("nomis", "GET", "/visits/rooms/usage-count?prisonIds=HEI&futureVisitsOnly=false")
    assert sum(row["count"] for row in everything.json()) == len(numbers)


async def test_a_visit_is_migrated_and_can_be_read_and_cancelled(running: Running) -> None:
    visit = (await running.call("nomis", "GET", "/visits/11")).json()
    answer = await running.call("visits", "POST", "/migrate-visits", json=migrate_body(visit))
    assert answer.status_code == 201
    assert answer.headers["Content-Type"].startswith("text/plain")
    reference = answer.text
    body = {"actionedBy": "AB", "cancelOutcome": {"outcomeStatus": "CANCELLATION", "text": "Cancelled by NOMIS"}}
    assert (await running.call("visits", "PUT", f"/migrate-visits/{reference}/cancel", json=body)).status_code == 200
    assert (await running.call("visits", "PUT", "/migrate-visits/no/cancel", json=body)).status_code == 404
    stored = (await running.call("admin", "GET", f"/visits/{reference}")).json()
    assert stored["nomisId"] == 11
    assert stored["cancelled"] is True
    assert stored["body"]["prisonerId"] == visit["offenderNo"]
    assert (await running.call("visits", "GET", f"/visits/{reference}")).json()["reference"] == reference


async def test_a_wrong_body_is_400_with_the_reason_by_place_and_no_value(running: Running) -> None:
    visit = (await running.call("nomis", "GET", "/visits/11")).json()
    body = migrate_body(visit, visitStatus="MAYBE", surprise="secret", visitors=[{"nomisPersonId": "secret"}])
    del body["prisonId"]
    answer = await running.call("visits", "POST", "/migrate-visits", json=body)
    assert answer.status_code == 400
    for place in ("prisonId", "visitStatus", "surprise", "visitors.0.nomisPersonId"):
        assert place in answer.json()["userMessage"]
    assert "secret" not in answer.text
    answer = await running.call("visits", "POST", "/migrate-visits", content=b"{", headers=VENDOR)
    assert answer.status_code == 415
    assert len(running.server.stores.scheduled) == 0


async def test_a_visit_too_far_ahead_is_422_by_a_limit_that_can_be_moved(running: Running) -> None:
    visit = (await running.call("nomis", "GET", "/visits/11")).json()
    body = migrate_body(visit, startTimestamp="2032-01-01T09:00:00")
    assert (await running.call("visits", "POST", "/migrate-visits", json=body)).status_code == 422
    await running.call("admin", "PUT", "/settings", json={"refused_after_days": 36500})
    assert (await running.call("visits", "POST", "/migrate-visits", json=body)).status_code == 201


async def test_a_pair_that_contradicts_one_in_the_table_is_409_with_both(running: Running) -> None:
    assert (await running.call("mapping", "POST", "/mapping/visits", json=MAPPING)).status_code == 201
    assert (await running.call("mapping", "POST", "/mapping/visits", json=MAPPING)).status_code == 201
    for other in ({"vsipId": "bb-22"}, {"nomisId": 2}):
        answer = await running.call("mapping", "POST", "/mapping/visits", json=MAPPING | other)
        error = DuplicateMappingError.model_validate_json(answer.content)
        assert (answer.status_code, error.error_code) == (409, 1409)
        assert error.more_info.duplicate == MAPPING | other
        assert error.more_info.existing["vsipId"] == "aa-11"
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/1")).json()["vsipId"] == "aa-11"
    assert (await running.call("mapping", "GET", "/mapping/visits/vsipId/aa-11")).json()["nomisId"] == 1
    assert (await running.call("mapping", "GET", "/mapping/visits/migrated/latest")).json()["nomisId"] == 1
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/2")).status_code == 404
    count = await running.call("mapping", "GET", f"/mapping/visits/migration-id/{MAPPING['label']}?size=1")
    assert count.json()["totalElements"] == 1


@pytest.mark.parametrize(("field", "text"), [("vsipId", "x" * 41), ("label", "x" * 21)])
async def test_a_text_too_long_for_its_column_is_400(running: Running, field: str, text: str) -> None:
    answer = await running.call("mapping", "POST", "/mapping/visits", json=MAPPING | {field: text})
    assert answer.status_code == 400
    assert field in answer.json()["userMessage"]


async def test_mappings_are_reset_by_migration_or_altogether(running: Running) -> None:
    for number in range(4):
        body = {**MAPPING, "nomisId": number, "vsipId": f"v{number}", "label": f"L{number % 2}"}
        await running.call("mapping", "POST", "/mapping/visits", json=body)
    assert (await running.call("mapping", "DELETE", "/mapping/visits/migration-id/L0")).status_code == 204
    assert (await running.call("mapping", "GET", "/mapping/visits/migration-id/L0")).json()["totalElements"] == 0
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/1")).status_code == 200
    assert (await running.call("mapping", "DELETE", "/mapping/visits", client="operator")).status_code == 204
    assert (await running.call("mapping", "GET", "/mapping/visits/nomisId/1")).status_code == 404


async def test_adjustments_are_paired_by_category_and_number(running: Running) -> None:
    path = "/mapping/sentencing/adjustments"
    assert (await running.call("mapping", "POST", path, json=PAIR)).status_code == 201
    other = PAIR | {"nomisAdjustmentCategory": "SENTENCE", "adjustmentId": "u2", "mappingType": "NOMIS_CREATED"}
    del other["label"]
    assert (await running.call("mapping", "POST", path, json=other)).status_code == 201
    answer = await running.call("mapping", "POST", path, json=PAIR | {"adjustmentId": "u3"})
    assert answer.json()["moreInfo"]["existing"]["adjustmentId"] == "u1"
    find = f"{path}/nomis-adjustment-category/KEY-DATE/nomis-adjustment-id/1"
    assert (await running.call("mapping", "GET", find)).json()["adjustmentId"] == "u1"
    for _ in range(2):
        assert (await running.call("mapping", "DELETE", f"{path}/adjustment-id/u1")).status_code == 204
    assert (await running.call("mapping", "GET", find)).status_code == 404
    wrong = PAIR | {"nomisAdjustmentCategory": "KEY_DATE"}
    assert (await running.call("mapping", "POST", path, json=wrong)).status_code == 400


async def test_room_mappings_are_found_by_description_whatever_characters_it_has(running: Running) -> None:
    find = "/prison/BXI/room/nomis-room-id/BXI-VISITS-SOC%2FVIS%203"
    room = {"vsipId": "Small Visits Room", "nomisRoomDescription": "BXI-VISITS-SOC/VIS 3", "isOpen": True}
    assert (await running.call("mapping", "GET", find)).json() == {"prisonId": "BXI", **room}
    path = "/prison/BXI/room-mappings"
    assert (await running.call("mapping", "GET", path)).status_code == 403
    assert room["vsipId"] in (await running.call("mapping", "GET", path, client="operator")).text
    again = await running.call("mapping", "POST", path, client="operator", json=room)
    assert again.status_code == 400
    delete = f"{path}/nomis-room-id/BXI-VISITS-SOC%2FVIS%203"
    for _ in range(2):
        assert (await running.call("mapping", "DELETE", delete, client="operator")).status_code == 204
    assert (await running.call("mapping", "GET", find)).status_code == 404
    assert (await running.call("mapping", "POST", path, client="operator", json=room)).status_code == 201


async def test_nomis_lists_and_reads_adjustments(running: Running) -> None:
    page = (await running.call("nomis", "GET", "/adjustments/ids?fromDate=2024-02-01&size=30")).json()
    for row in page["content"]:
        kind = "sentence" if row["adjustmentCategory"] == "SENTENCE" else "key-date"
        found = await running.call("nomis", "GET", f"/{kind}-adjustments/{row['adjustmentId']}")
        assert found.json()["id"] == row["adjustmentId"]
    path = "/prisoners/booking-id/1000012/sentencing-adjustments"
    whole = BookingAdjustments.model_validate_json(
        (await running.call("nomis", "GET", f"{path}?active-only=false")).content
    )
    assert (len(whole.sentence_adjustments), len(whole.key_date_adjustments)) == (2, 1)
    active = (await running.call("nomis", "GET", path)).json()
    assert all(row["active"] for row in active["sentenceAdjustments"])


async def test_the_adjustments_service_wants_the_vendors_content_type_always(running: Running) -> None:
    origin = (await running.call("nomis", "GET", "/sentence-adjustments/1")).json()
    body = adjustment_body(origin)
    path = "/legacy/adjustments"
    assert (await running.call("sentencing", "POST", path, json=body)).status_code == 415
    answer = await running.call("sentencing", "POST", f"{path}/migration", json=body, headers=VENDOR)
    assert answer.status_code == 201
    one = f"{path}/{answer.json()['adjustmentId']}"
    changed = await running.call("sentencing", "PUT", one, json=body | {"comment": "x"}, headers=VENDOR)
    assert (changed.status_code, changed.content) == (200, b"")
    assert (await running.call("sentencing", "GET", one)).json()["comment"] == "x"
    assert (await running.call("sentencing", "DELETE", one)).status_code == 415
    assert (await running.call("sentencing", "DELETE", one, headers=VENDOR)).status_code == 200
    assert (await running.call("sentencing", "DELETE", one, headers=VENDOR)).status_code == 404
    assert (await running.call("sentencing", "PUT", one, json=body, headers=VENDOR)).status_code == 404
    wrong = await running.call("sentencing", "POST", path, json=body | {"adjustmentType": "PC"}, headers=VENDOR)
    assert wrong.status_code == 400


async def test_the_agreement_tells_what_is_surplus_unmapped_or_unknown(running: Running) -> None:
    visit = (await running.call("nomis", "GET", "/visits/11")).json()
    references = [
        (await running.call("visits", "POST", "/migrate-visits", json=migrate_body(visit))).text for _ in range(2)
    ]
    pairs = [(11, references[0]), (12, references[1]), (13, "zz-zz-zz-zz")]
    for number, reference in pairs:
        body = {**MAPPING, "nomisId": number, "vsipId": reference}
        await running.call("mapping", "POST", "/mapping/visits", json=body)
    found = (await running.call("admin", "GET", "/agreement")).json()["visits"]
    assert found == {
        "dps_records": 2, "dps_distinct": 1, "dps_cancelled": 0, "mappings": 3, "dps_surplus": 1, "dps_unrecognised": 0,
        "dps_without_mapping": 0, "mappings_without_dps": 1, "mappings_to_another": 1,
    }  # fmt: skip
    duplicates = (await running.call("admin", "GET", "/visits/duplicates")).json()
    assert duplicates == [{"nomisId": 11, "references": references}]
    dump = (await running.call("admin", "GET", "/visits?page=1&size=1")).json()
    assert (dump["total"], dump["content"][0]["reference"]) == (2, references[1])
    assert (await running.call("admin", "GET", "/mappings/visits")).json()["total"] == 3


async def test_nomis_can_be_changed_through_the_admin_port(running: Running) -> None:
    added = (
        await running.call("admin", "POST", "/nomis/visits", json={"like": 5, "fields": {"prisonId": "BXI"}})
    ).json()
    listed = (await running.call("nomis", "GET", "/visits/ids?prisonIds=BXI&size=5000")).json()
    assert listed["content"][-1]["visitId"] == added["visitId"] == WORLD.visits + 1
    cancel = await running.call(
        "admin", "POST", "/nomis/visits/5/cancel", json={"outcome": "OFFCANC", "user": "GH_GEN"}
    )
    assert cancel.json()["visitOutcome"]["code"] == "OFFCANC"
    assert (await running.call("nomis", "GET", "/visits/5")).json()["modifyUserId"] == "GH_GEN"
    assert (await running.call("admin", "DELETE", "/nomis/visits/6")).status_code == 204
    assert (await running.call("nomis", "GET", "/visits/6")).status_code == 404
    assert (await running.call("admin", "POST", "/nomis/visits/99999/cancel", json={})).status_code == 404
    new = await running.call(
        "admin", "POST", "/nomis/adjustments", json={"category": "SENTENCE", "bookingId": 1, "booking_id": 1}
    )
    assert new.status_code == 400
    new = await running.call(
        "admin", "POST", "/nomis/adjustments", json={"category": "SENTENCE", "booking_id": 1000000}
    )
    assert (await running.call("nomis", "GET", f"/sentence-adjustments/{new.json()['id']}")).status_code == 200
