"""Promise: the sandbox's NOMIS, alerts service and mapping service do with alerts what the alerts card says they do."""

from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.contracts.nomis_mapping_service import DuplicateMappingError
from nomis_pipelines.contracts.nomis_prisoner import PrisonerAlerts, PrisonerDetails, PrisonerIdPage
from nomis_pipelines.sandbox.data.alerts import CODES
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

SOURCE = {"Source": "NOMIS"}
BY = {**SOURCE, "Username": "AB_GEN"}
CREATE = {"alertCode": "XA", "description": "Set a bin alight", "activeFrom": "2026-03-01"}
LABEL = "2026-03-10T10:00:00"


@pytest.fixture
def prisoners(running: Running) -> list[str]:
    """Prisoners with at least two alerts on the latest of at least two bookings."""
    nomis = running.server.stores.nomis_alerts
    numbers, _ = nomis.prisoners(0, 300)
    return [n for n in numbers if len(nomis.bookings(n)) > 1 and len(nomis.latest(n) or ()) > 1]


def resync_body(alert: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "offenderBookId": alert["bookingId"],
        "alertSeq": alert["alertSequence"],
        "alertCode": alert["alertCode"]["code"],
        "activeFrom": alert["date"],
        "createdAt": "2026-03-01T10:00:00",
        "createdBy": "AB_GEN",
        "createdByDisplayName": "AB",
        "isActive": True,
        **changes,
    }


def migrate_body(alert: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resync_body(alert, bookingSeq=1).items() if name != "isActive"}


def pair(booking_id: int, sequence: int, dps_id: str) -> dict[str, Any]:
    return {"nomisBookingId": booking_id, "nomisAlertSequence": sequence, "dpsAlertId": dps_id}


async def nomis_json(running: Running, path: str) -> Any:
    answer = await running.call("nomis", "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_prisoners_are_listed_all_of_them_in_one_order(running: Running) -> None:
    first = PrisonerIdPage.model_validate(await nomis_json(running, "/prisoners/ids/all?page=0&size=700"))
    second = PrisonerIdPage.model_validate(await nomis_json(running, "/prisoners/ids/all?page=1&size=700"))
    assert (first.total_elements, len(first.content), len(second.content)) == (WORLD.prisoners, 700, 500)
    assert len({row.offender_no for row in (*first.content, *second.content)}) == WORLD.prisoners
    assert PrisonerIdPage.model_validate(await nomis_json(running, "/prisoners/ids/all?size=1")).total_elements == 1200


async def test_the_alerts_to_migrate_are_those_of_the_latest_booking(running: Running, prisoners: list[str]) -> None:
    number = prisoners[0]
    bookings = running.server.stores.nomis_alerts.bookings(number)
    answer = await nomis_json(running, f"/prisoners/{number}/alerts/to-migrate")
    alerts = PrisonerAlerts.model_validate(answer).latest_booking_alerts
    assert {(alert.booking_id, alert.booking_sequence) for alert in alerts} == {(bookings[-1], 1)}
    one = await nomis_json(running, f"/prisoners/booking-id/{bookings[-1]}/alerts/{alerts[0].alert_sequence}")
    assert one == answer["latestBookingAlerts"][0]
    older = running.server.stores.nomis_alerts.data.alerts(bookings[0])
    for alert in older[:1]:
        found = await nomis_json(running, f"/prisoners/booking-id/{bookings[0]}/alerts/{alert['alertSequence']}")
        assert found["bookingSequence"] == len(bookings)


async def test_one_who_was_never_booked_or_is_unknown_is_a_404(running: Running) -> None:
    nomis = running.server.stores.nomis_alerts
    never = next(number for number in nomis.prisoners(0, 300)[0] if not nomis.bookings(number))
    for number in (never, "A0000AA"):
        for path in (f"/prisoners/{number}", f"/prisoners/{number}/alerts/to-migrate"):
            assert (await running.call("nomis", "GET", path)).status_code == 404
    assert (await running.call("nomis", "GET", "/prisoners/booking-id/1/alerts/1")).status_code == 404


async def test_a_prisoner_is_in_prison_or_out(running: Running, prisoners: list[str]) -> None:
    number = prisoners[0]
    await running.call("admin", "POST", f"/nomis/prisoners/{number}/release", json={})
    details = await nomis_json(running, f"/prisoners/{number}")
    assert not PrisonerDetails.model_validate(details).active
    assert details["location"] == "OUT"
    await running.call("admin", "POST", f"/nomis/prisoners/{number}/admit", json={})
    assert (await nomis_json(running, f"/prisoners/{number}"))["active"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, 201, ""),
        ({"alertCode": "NONE"}, 400, "Alert code not found: NONE"),
        ({"alertCode": "XOLD"}, 400, "Alert code is inactive: XOLD"),
        ({"description": "x" * 4001}, 400, "description: size"),
        ({"authorisedBy": "x" * 41}, 400, "authorisedBy: size"),
        ({"activeFrom": "soon"}, 400, "activeFrom"),
        ({"isActive": True}, 400, "isActive"),
    ],
)
async def test_a_create_is_checked(running: Running, changes: dict[str, Any], status: int, words: str) -> None:
    answer = await running.call("alerts", "POST", "/prisoners/A7001BC/alerts", headers=BY, json=CREATE | changes)
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("headers", [SOURCE, {"Source": "NOMIS", "Username": "x" * 33}, {"Source": "ELSE"}])
async def test_a_create_needs_to_know_who_and_from_where(running: Running, headers: dict[str, str]) -> None:
    answer = await running.call("alerts", "POST", "/prisoners/A7001BC/alerts", headers=headers, json=CREATE)
    assert answer.status_code == 400


async def test_a_second_active_alert_of_a_code_is_a_409_unless_it_comes_in_a_set(running: Running) -> None:
    async def create(**changes: Any) -> int:
        path = "/prisoners/A7001BC/alerts"
        return (await running.call("alerts", "POST", path, headers=BY, json=CREATE | changes)).status_code

    assert [await create(activeTo="2026-03-02"), await create(), await create(), await create(alertCode="XEL")] == [
        201, 201, 409, 201,
    ]  # fmt: skip
    assert await create(activeTo="2020-01-01") == 409
    alert = {"bookingId": 1, "alertSequence": 1, "alertCode": {"code": "XA"}, "date": "2026-03-01"}
    path = "/resync/A7001BC/alerts"
    answer = await running.call("alerts", "POST", path, json=[resync_body(alert), resync_body(alert, alertSeq=2)])
    assert answer.status_code == 201


async def test_an_update_leaves_what_it_does_not_name_but_for_the_end(running: Running) -> None:
    body = CREATE | {"activeTo": "2026-04-01", "authorisedBy": "Security"}
    created = (await running.call("alerts", "POST", "/prisoners/A7001BC/alerts", headers=BY, json=body)).json()
    path = f"/alerts/{created['alertUuid']}"
    assert (await running.call("alerts", "PUT", path, headers=BY, json={"description": "New"})).status_code == 200
    stored = running.server.stores.dps_alerts.body(created["alertUuid"])
    assert stored == {
        "alertCode": "XA", "description": "New", "activeFrom": "2026-03-01", "authorisedBy": "Security",
    }  # fmt: skip
    assert (await running.call("alerts", "PUT", path, headers=SOURCE, json={})).status_code == 400
    assert (await running.call("alerts", "DELETE", path, headers=SOURCE)).status_code == 204
    for method, options in (("PUT", {"json": {}, "headers": BY}), ("DELETE", {"headers": SOURCE})):
        assert (await running.call("alerts", method, path, **options)).status_code == 404


async def test_a_migrated_set_is_added_and_a_resynchronised_one_replaces(
    running: Running, prisoners: list[str]
) -> None:
    nomis = running.server.stores.nomis_alerts
    sets = {number: nomis.latest(number) or [] for number in prisoners}
    number, alerts = next(each for each in sets.items() if not CODES[each[1][0]["alertCode"]["code"]].in_use)
    bodies = [migrate_body(alert) for alert in alerts]
    assert not CODES[bodies[0]["alertCode"]].in_use, "a set may hold what no longer is in use"
    first = await running.call("alerts", "POST", f"/migrate/{number}/alerts", json=bodies)
    assert first.status_code == 201
    assert [(row["offenderBookId"], row["alertSeq"]) for row in first.json()] == [
        (body["offenderBookId"], body["alertSeq"]) for body in bodies
    ]
    await running.call("alerts", "POST", f"/migrate/{number}/alerts", json=bodies)
    assert running.server.agreement()["alerts"]["dps_surplus"] == len(bodies), "twice asked is twice made"
    duplicates = (await running.call("admin", "GET", "/alerts/duplicates")).json()
    assert {len(row["ids"]) for row in duplicates} == {2}
    again = await running.call("alerts", "POST", f"/resync/{number}/alerts", json=[resync_body(alerts[0])])
    assert not {row["alertUuid"] for row in again.json()} & {row["alertUuid"] for row in first.json()}
    assert len(running.server.stores.dps_alerts.of_prisoner(number)) == 1
    assert (await running.call("alerts", "POST", f"/resync/{number}/alerts", json=[])).json() == []
    assert running.server.stores.dps_alerts.of_prisoner(number) == ()


async def test_a_set_with_a_code_that_is_unknown_is_refused_whole(running: Running) -> None:
    alert = {"bookingId": 1, "alertSequence": 1, "alertCode": {"code": "XA"}, "date": "2026-03-01"}
    bodies = [resync_body(alert), resync_body(alert, alertSeq=2, alertCode="NONE")]
    assert (await running.call("alerts", "POST", "/resync/A7001BC/alerts", json=bodies[:1])).status_code == 201
    assert (await running.call("alerts", "POST", "/resync/A7001BC/alerts", json=bodies)).status_code == 400
    assert len(running.server.stores.dps_alerts.of_prisoner("A7001BC")) == 1


async def test_a_single_alert_is_traced_to_the_one_in_nomis_that_it_is_like(running: Running) -> None:
    nomis = running.server.stores.nomis_alerts
    number = next(n for n in nomis.prisoners(0, 300)[0] if nomis.bookings(n))
    added = await running.call("admin", "POST", f"/nomis/prisoners/{number}/alerts", json={"code": "PEEP"})
    alert = added.json()
    body = {"alertCode": "PEEP", "description": alert["comment"], "activeFrom": alert["date"]}
    for dps_id in running.server.stores.dps_alerts.of_prisoner(number):
        running.server.stores.dps_alerts.delete(dps_id)
    path = f"/prisoners/{number}/alerts"
    created = (await running.call("alerts", "POST", path, headers=BY, json=body)).json()
    found = (await running.call("admin", "GET", f"/alerts/{created['alertUuid']}")).json()
    assert found["nomisKey"] == [alert["bookingId"], alert["alertSequence"]]
    assert (found["prisoner"], found["body"]) == (number, body)


async def test_pairs_are_unique_on_both_sides_and_the_very_same_again_is_refused_too(running: Running) -> None:
    body = {**pair(880011, 2, "u-2"), "offenderNo": "A7001BC", "mappingType": "NOMIS_CREATED"}

    async def post(**changes: Any) -> Any:
        return await running.call("mapping", "POST", "/mapping/alerts", json=body | changes)

    assert (await post()).status_code == 201
    for changes in ({}, {"dpsAlertId": "u-9"}, {"nomisAlertSequence": 9}):
        answer = await post(**changes)
        assert answer.status_code == 409
        problem = DuplicateMappingError.model_validate(answer.json())
        assert problem.error_code == 1409
        assert problem.more_info.duplicate == {**body, **changes, "label": None}
        assert (problem.more_info.existing or {})["dpsAlertId"] == "u-2"
    assert (await post(nomisAlertSequence=3, dpsAlertId="u-3", mappingType="ELSE")).status_code == 400
    batch = [body | {"nomisAlertSequence": 4, "dpsAlertId": "u-4"}, body]
    assert (await running.call("mapping", "POST", "/mapping/alerts/batch", json=batch)).status_code == 409
    assert (await running.call("mapping", "POST", "/mapping/alerts/batch", json=batch[:1])).status_code == 201
    path = "/mapping/alerts/nomis-booking-id/880011/nomis-alert-sequence/"
    assert (await running.call("mapping", "GET", path + "4")).json()["offenderNo"] == "A7001BC"
    assert (await running.call("mapping", "GET", path + "5")).status_code == 404
    assert (await running.call("mapping", "DELETE", "/mapping/alerts/dps-alert-id/u-4")).status_code == 204
    assert (await running.call("mapping", "DELETE", "/mapping/alerts/dps-alert-id/u-4")).status_code == 204
    assert (await running.call("mapping", "GET", path + "4")).status_code == 404


async def test_the_pairs_of_a_prisoner_come_and_go_as_a_set(running: Running) -> None:
    async def of(number: str) -> list[str]:
        answer = (await running.call("mapping", "GET", f"/mapping/alerts/{number}/all")).json()
        return [row["dpsAlertId"] for row in answer["mappings"]]

    migrated = {"label": LABEL, "mappingType": "MIGRATED", "mappings": [pair(1, 1, "u-1"), pair(1, 2, "u-2")]}
    path = "/mapping/alerts/A7001BC/all"
    assert (await running.call("mapping", "POST", path, json=migrated)).status_code == 201
    assert (await running.call("mapping", "POST", path, json=migrated)).status_code == 409
    assert await of("A7001BC") == ["u-1", "u-2"]
    assert (await running.call("mapping", "POST", "/mapping/alerts/A7999ZZ/all", json={**migrated, "mappings": []})
            ).status_code == 201  # fmt: skip
    grouped = f"/mapping/alerts/migration-id/{LABEL}/grouped-by-prisoner?size=1"
    answer = (await running.call("mapping", "GET", grouped)).json()
    assert (answer["totalElements"], answer["content"][0]["mappingsCount"]) == (1, 2)
    replaced = {"mappingType": "NOMIS_CREATED", "mappings": [pair(1, 2, "u-9")]}
    assert (await running.call("mapping", "PUT", path, json=replaced)).status_code == 200
    assert await of("A7001BC") == ["u-9"]
    assert (await running.call("mapping", "GET", grouped)).json()["totalElements"] == 0
    moved = {"mappingType": "NOMIS_CREATED", "mappings": [pair(1, 2, "u-9"), pair(5, 1, "u-5")]}
    merge = {"removedOffenderNo": "A7001BC", "prisonerMapping": moved}
    assert (await running.call("mapping", "PUT", "/mapping/alerts/A7002BC/merge", json=merge)).status_code == 200
    assert (await of("A7001BC"), await of("A7002BC")) == ([], ["u-9", "u-5"])
    assert (await running.call("mapping", "DELETE", "/mapping/alerts")).status_code == 204
    assert await of("A7002BC") == []


@pytest.mark.parametrize(
    ("service", "client", "method", "path", "body", "status"),
    [
        ("nomis", "nomis-2024", "GET", "/prisoners/ids/all", None, 200),
        ("mapping", "nomis-2024", "GET", "/mapping/alerts/A7001BC/all", None, 200),
        ("alerts", "nomis-2024", "POST", "/resync/A7001BC/alerts", [], 201),
        ("alerts", "nomis-2024", "POST", "/migrate/A7001BC/alerts", [], 201),
        ("alerts", "nomis-2024", "POST", "/prisoners/A7001BC/alerts", CREATE, 403),
        ("alerts", "sentencing-api", "POST", "/resync/A7001BC/alerts", [], 403),
        ("mapping", "visits-api", "GET", "/mapping/alerts/A7001BC/all", None, 403),
    ],
)
async def test_each_service_takes_the_roles_of_its_card(
    running: Running, service: str, client: str, method: str, path: str, body: Any, status: int
) -> None:
    answer = await running.call(service, method, path, client=client, headers=BY, json=body)
    assert answer.status_code == status


async def test_a_merge_moves_every_booking_and_the_removed_number_is_gone(
    running: Running, prisoners: list[str]
) -> None:
    retained, removed = prisoners[0], prisoners[1]
    nomis = running.server.stores.nomis_alerts
    bookings = sorted([*nomis.bookings(retained), *nomis.bookings(removed)])
    answer = await running.call("admin", "POST", f"/nomis/prisoners/{retained}/merge", json={"removed": removed})
    assert answer.json() == {"bookingId": bookings[-1]}
    assert nomis.bookings(retained) == bookings
    assert (await running.call("nomis", "GET", f"/prisoners/{removed}/alerts/to-migrate")).status_code == 404
    listed = await nomis_json(running, "/prisoners/ids/all?size=5000")
    assert listed["totalElements"] == len(listed["content"]) == WORLD.prisoners - 1
    assert removed not in {row["offenderNo"] for row in listed["content"]}
    refused = await running.call("admin", "POST", f"/nomis/prisoners/{retained}/merge", json={"removed": removed})
    assert refused.status_code == 400


async def test_a_move_takes_a_booking_with_its_alerts(running: Running, prisoners: list[str]) -> None:
    source, target = prisoners[0], prisoners[1]
    nomis = running.server.stores.nomis_alerts
    booking_id = nomis.bookings(source)[-1]
    path = f"/nomis/bookings/{booking_id}/move"
    assert (await running.call("admin", "POST", path, json={"target": target})).json() == {"source": source}
    assert (await running.call("admin", "GET", f"/nomis/bookings/{booking_id}")).json() == {"offenderNo": target}
    assert booking_id in nomis.bookings(target)
    assert booking_id not in nomis.bookings(source)
    assert (await running.call("admin", "POST", path, json={"target": target})).status_code == 400


async def test_a_new_booking_has_copies_of_the_active_alerts(running: Running, prisoners: list[str]) -> None:
    number = prisoners[0]
    before = (await nomis_json(running, f"/prisoners/{number}/alerts/to-migrate"))["latestBookingAlerts"]
    await running.call("admin", "POST", f"/nomis/prisoners/{number}/admit", json={})
    after = (await nomis_json(running, f"/prisoners/{number}/alerts/to-migrate"))["latestBookingAlerts"]
    assert [a["alertCode"] for a in after] == [a["alertCode"] for a in before if a["isActive"]]
    assert {a["audit"]["auditAdditionalInfo"] for a in after} <= {"OMKCOPY.COPY_BOOKING_DATA"}
    assert [a["alertSequence"] for a in after] == list(range(1, len(after) + 1))
    old = before[0]
    path = f"/prisoners/booking-id/{old['bookingId']}/alerts/{old['alertSequence']}"
    assert (await nomis_json(running, path))["bookingSequence"] == 2


def test_all_of_it_survives_a_restart(tmp_path: Path) -> None:
    stores = Stores(WORLD, tmp_path / "journal")
    nomis = stores.nomis_alerts
    one, two, three = [n for n in nomis.prisoners(0, 300)[0] if len(nomis.latest(n) or ()) > 1][:3]
    changed, removed = (nomis.latest(one) or [])[:2]
    at = (changed["bookingId"], changed["alertSequence"])
    nomis.change(at, {"comment": "Changed"})
    nomis.remove((removed["bookingId"], removed["alertSequence"]))
    added = nomis.add(one, {"code": "XEL", "comment": "Added"})
    assert added is not None
    nomis.admit(two)
    nomis.merge(two, three)
    ids = [stores.dps_alerts.add(one, {"alertCode": "XA", "description": "a\nb"}, at) for _ in range(3)]
    stores.dps_alerts.update(ids[0], {"alertCode": "XA"})
    stores.dps_alerts.delete(ids[2])
    stores.alert_mappings.add(one, LABEL, "MIGRATED", [(at, ids[0]), ((1, 1), "u-1")])
    stores.alert_mappings.remove("dps", "u-1")
    expected = [nomis.latest(number) for number in (one, two, three)], stores.agreement()["alerts"]
    stores.journal.close()
    again = Stores(WORLD, tmp_path / "journal")
    assert (
        [again.nomis_alerts.latest(number) for number in (one, two, three)],
        again.agreement()["alerts"],
    ) == expected
    assert again.nomis_alerts.latest(three) is None
    assert [again.dps_alerts.body(dps_id) for dps_id in ids] == [
        {"alertCode": "XA"}, {"alertCode": "XA", "description": "a\nb"}, None,
    ]  # fmt: skip
    assert again.alert_mappings.prisoners_of(LABEL)[0][:2] == (one, 1)
    fresh = again.dps_alerts.add(one, {}, None)
    assert fresh not in ids
    again.clear()
    assert again.agreement()["alerts"]["dps_records"] == 0
    assert again.nomis_alerts.latest(three) is not None
