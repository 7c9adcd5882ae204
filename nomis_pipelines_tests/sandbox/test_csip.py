"""Promise: the sandbox's NOMIS, CSIP service and mapping service behave as the CSIP card says."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.contracts.csip import SyncedCsip
from nomis_pipelines.contracts.nomis_mapping_service import CsipFullMapping, DuplicateMappingError
from nomis_pipelines.contracts.nomis_prisoner import CsipIdPage, CsipReport
from nomis_pipelines.domains.csip.parts import NOMIS_CREATED, PARTS, pairs_of, record_of
from nomis_pipelines.domains.csip.transform import actioned_by, to_record
from nomis_pipelines.migration.declaration import Rejected
from nomis_pipelines.sandbox.data.csip import FIRST_REPORT, CsipData
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.stores.nomis_csip import rows_of
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

DATA = CsipData(WORLD)
IDS = range(FIRST_REPORT, FIRST_REPORT + DATA.count)
REPORT = next(number for number in IDS if len(list(rows_of(DATA.report(number) or {}))) > 4)
UNKNOWN = "11111111-1111-4111-8111-111111111111"
Json = dict[str, Any]


def reports() -> Iterator[CsipReport]:
    for number in IDS:
        whole: Json = {**(DATA.report(number) or {}), "offender": {"offenderNo": "A1234BC"}}
        yield CsipReport.model_validate(whole, by_alias=True, by_name=False)


async def nomis(running: Running, report_id: int = REPORT) -> CsipReport:
    return CsipReport.model_validate_json((await running.call("nomis", "GET", f"/csip/{report_id}")).content)


def body_of(report: CsipReport, **changes: object) -> Json:
    body = to_record(report, actioned_by(report)).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**body, **changes}


async def make(running: Running) -> tuple[CsipReport, str, Json]:
    """A record in DPS; its report, its id, and the mappings to record."""
    report = await nomis(running)
    answer = await running.call("csip", "PUT", "/sync/csip-records", json=body_of(report))
    assert answer.status_code == 200, answer.text
    made = SyncedCsip.model_validate_json(answer.content)
    dps_id = record_of(made)
    assert dps_id is not None
    return report, dps_id, pairs_of(REPORT, dps_id, made, NOMIS_CREATED)


def test_every_report_is_what_the_contract_says_and_fit_for_dps_but_for_some() -> None:
    unfit: list[int] = []
    for report in reports():
        try:
            to_record(report, actioned_by(report))
        except Rejected:
            unfit.append(report.id)
    assert unfit == [number for number in IDS if DATA.is_unfit(number)]
    assert len(unfit) == 3


def test_there_are_reports_with_and_without_whatever_may_be_missing() -> None:
    found = list(reports())
    for part in PARTS:
        assert {len(part.rows(report)) > 0 for report in found} == {True, False}, part.component
    records = [to_record(each, actioned_by(each)) for each in found if not DATA.is_unfit(each.id)]
    for present in (
        {record.plan is None for record in records},
        {record.referral.investigation is None for record in records},
        {record.referral.safer_custody_screening_outcome is None for record in records},
        {record.log_code is None for record in records},
        {record.referral.assaulted_staff_name is None for record in records},
    ):
        assert present == {True, False}


def test_ids_of_parts_are_different_within_a_kind_and_not_between_kinds() -> None:
    ids = {part: [row.id for report in reports() for row in part.rows(report)] for part in PARTS}
    assert all(len(each) == len(set(each)) for each in ids.values())
    assert set(ids[PARTS[1]]) & set(ids[PARTS[3]])


def test_days_find_the_reports_made_on_them() -> None:
    made = DATA.timeline.created(5).date()
    day = DATA.range(made, made)
    assert FIRST_REPORT + 4 in day
    before, after = DATA.range(None, made - timedelta(days=1)), DATA.range(made + timedelta(days=1), None)
    assert [*before, *day, *after] == list(IDS)


async def test_nomis_lists_ids_lowest_first_and_by_day(running: Running) -> None:
    page = CsipIdPage.model_validate_json((await running.call("nomis", "GET", "/csip/ids?size=3&page=1")).content)
    assert ([row.csip_id for row in page.content], page.total_elements) == ([*IDS[3:6]], len(IDS))
    day = (await nomis(running)).create_date_time.date()
    listed = (await running.call("nomis", "GET", f"/csip/ids?fromDate={day}&toDate={day}")).json()["content"]
    assert {"csipId": REPORT} in listed


@pytest.mark.parametrize(("client", "status"), [("nomis-2024", 200), ("visits-api", 403)])
async def test_nomis_asks_for_the_role_of_either_era(running: Running, client: str, status: int) -> None:
    for path in ("/csip/ids", f"/csip/{REPORT}"):
        assert (await running.call("nomis", "GET", path, client=client)).status_code == status


async def test_what_nomis_does_not_have_is_404(running: Running) -> None:
    for path in ("/csip/1", "/csip/booking/1"):
        assert (await running.call("nomis", "GET", path)).status_code == 404


async def test_a_booking_lists_its_reports_and_takes_them_along_to_another_prisoner(running: Running) -> None:
    report = (await running.call("nomis", "GET", f"/csip/{REPORT}")).json()
    path = f"/csip/booking/{report['bookingId']}"
    assert {"csipId": REPORT} in (await running.call("nomis", "GET", path)).json()
    made = await running.call("admin", "POST", "/nomis/csip", json={"like": REPORT, "booking_id": report["bookingId"]})
    assert {"csipId": made.json()["id"]} in (await running.call("nomis", "GET", path)).json()
    other = next(number for number in IDS if (DATA.report(number) or {})["bookingId"] != report["bookingId"])
    target = (await nomis(running, other)).offender.offender_no
    move = {"target": target}
    await running.call("admin", "POST", f"/nomis/bookings/{report['bookingId']}/move", json=move)
    assert (await nomis(running)).offender.offender_no == target


async def test_a_report_is_changed_by_whole_fields_and_deleted(running: Running) -> None:
    changed = await running.call("admin", "PUT", f"/nomis/csip/{REPORT}", json={"logNumber": "LOG-9"})
    assert changed.json()["logNumber"] == "LOG-9"
    await running.call("admin", "DELETE", f"/nomis/csip/{REPORT}")
    assert (await running.call("nomis", "GET", f"/csip/{REPORT}")).status_code == 404
    assert (await running.call("nomis", "GET", "/csip/ids")).json()["totalElements"] == len(IDS) - 1


async def test_dps_tells_what_it_made_and_makes_again_what_comes_again_without_an_id(running: Running) -> None:
    report, dps_id, pairs = await make(running)
    assert sum(len(pairs[part.field]) for part in PARTS) == sum(len(part.rows(report)) for part in PARTS)
    _, second, _ = await make(running)
    assert second != dps_id
    again = await running.call("csip", "PUT", "/sync/csip-records", json=body_of(report, id=dps_id))
    assert len(again.json()["mappings"]) == sum(len(part.rows(report)) for part in PARTS)
    twice = (await running.call("admin", "GET", "/csip/duplicates")).json()
    assert {"nomisKey": ["RECORD", REPORT], "ids": [dps_id, second]} in twice


async def test_an_update_of_what_dps_has_makes_nothing(running: Running) -> None:
    _, dps_id, _ = await make(running)
    kept = (await running.call("admin", "GET", f"/csip/{dps_id}")).json()
    answer = await running.call("csip", "PUT", "/sync/csip-records", json=kept)
    assert (answer.status_code, answer.json()) == (200, {"mappings": []})


async def test_dps_refuses_what_it_does_not_know_and_what_is_too_long(running: Running) -> None:
    report, dps_id, _ = await make(running)
    unknown = await running.call("csip", "PUT", "/sync/csip-records", json=body_of(report, id=UNKNOWN))
    assert unknown.status_code == 404
    kept = (await running.call("admin", "GET", f"/csip/{dps_id}")).json()
    kept["referral"]["contributoryFactors"] = [{"id": UNKNOWN, "legacyId": 1, "factorTypeCode": "DEB"}]
    assert (await running.call("csip", "PUT", "/sync/csip-records", json=kept)).status_code == 404
    long = await running.call("csip", "PUT", "/sync/csip-records", json=body_of(report, logCode="L" * 11))
    assert long.status_code == 400
    other = await running.call("csip", "PUT", "/sync/csip-records", json=body_of(report), client="visits-api")
    assert other.status_code == 403


async def test_a_record_is_deleted_with_a_body_once(running: Running) -> None:
    _, dps_id, _ = await make(running)
    body = {"actionedAt": "2025-05-06T12:00:00", "actionedBy": None, "activeCaseloadId": None}
    for status in (204, 404):
        answer = await running.call("csip", "DELETE", f"/sync/csip-records/{dps_id}", json=body)
        assert answer.status_code == status
    assert (await running.call("csip", "DELETE", f"/sync/csip-records/{dps_id}")).status_code == 400


async def test_records_are_moved_from_whom_they_are_of(running: Running) -> None:
    report, dps_id, _ = await make(running)
    move = {
        "fromPrisonNumber": report.offender.offender_no, "toPrisonNumber": "A9000ZZ", "recordUuids": [dps_id],
    }  # fmt: skip
    for _ in range(2):  # a delivery may come again
        assert (await running.call("csip", "PUT", "/sync/csip-records/move", json=move)).status_code == 200
    assert (await running.call("admin", "GET", f"/csip/{dps_id}")).json()["prisonNumber"] == "A9000ZZ"
    wrong = await running.call(
        "csip", "PUT", "/sync/csip-records/move", json={**move, "toPrisonNumber": report.offender.offender_no}
    )
    assert wrong.status_code == 400


async def test_a_report_is_mapped_whole_or_not_at_all(running: Running) -> None:
    _, dps_id, pairs = await make(running)
    assert (await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)).status_code == 201
    full = await running.call("mapping", "GET", f"/mapping/csip/dps-csip-id/{dps_id}/all")
    assert CsipFullMapping.model_validate_json(full.content).nomis_csip_report_id == REPORT
    again = await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)
    shown = DuplicateMappingError.model_validate_json(again.content).more_info
    assert again.status_code == 409
    assert shown.existing is not None
    assert all(again.json()["moreInfo"]["existing"][part.field] == [] for part in PARTS)
    other = {**pairs, "nomisCSIPReportId": 1, "dpsCSIPReportId": UNKNOWN}
    assert (await running.call("mapping", "POST", "/mapping/csip/all", json=other)).status_code == 409
    assert (await running.call("mapping", "GET", "/mapping/csip/nomis-csip-id/1")).status_code == 404


async def test_parts_are_added_to_a_report_that_is_mapped(running: Running) -> None:
    _, dps_id, pairs = await make(running)
    none = {part.field: [] for part in PARTS}
    added = {**pairs, **none, "factorMappings": [{**child(dps_id), "nomisId": 9, "dpsId": UNKNOWN}]}
    path = "/mapping/csip/children/all"
    assert (await running.call("mapping", "POST", path, json=added)).status_code == 404
    await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)
    assert (await running.call("mapping", "POST", path, json=added)).status_code == 201
    assert (await running.call("mapping", "POST", path, json=added)).status_code == 409
    factor = await running.call("mapping", "GET", "/mapping/csip/factors/nomis-csip-factor-id/9")
    assert (factor.json()["dpsId"], factor.json()["mappingType"]) == (UNKNOWN, NOMIS_CREATED)


async def test_what_dps_made_is_recorded_one_by_one(running: Running) -> None:
    _, dps_id, pairs = await make(running)
    await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)
    made = {**child(dps_id), "nomisId": 9, "dpsId": UNKNOWN, "mappingType": "DPS_CREATED"}
    assert (await running.call("mapping", "POST", "/mapping/csip/factors", json=made)).status_code == 201
    factor = await running.call("mapping", "GET", "/mapping/csip/factors/nomis-csip-factor-id/9")
    assert factor.json()["mappingType"] == "DPS_CREATED"


async def test_several_reports_are_told_only_when_all_are_mapped(running: Running) -> None:
    _, dps_id, pairs = await make(running)
    await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)
    path = f"/mapping/csip/nomis-csip-id?nomisCSIPId={REPORT}"
    (found,) = (await running.call("mapping", "GET", path)).json()
    assert (found["nomisCSIPReportId"], found["dpsCSIPReportId"]) == (REPORT, dps_id)
    assert (await running.call("mapping", "GET", f"{path}&nomisCSIPId=1")).status_code == 404


async def test_mappings_are_counted_by_label_and_forgotten(running: Running) -> None:
    _, dps_id, pairs = await make(running)
    await running.call("mapping", "POST", "/mapping/csip/all", json={**pairs, "label": "2025-02-01T09:30:00"})
    counted = await running.call("mapping", "GET", "/mapping/csip/migration-id/2025-02-01T09:30:00?size=1")
    assert counted.json()["totalElements"] == 1
    assert (await running.call("mapping", "DELETE", "/mapping/csip/all?onlyMigrated=true")).status_code == 204
    assert (await running.call("mapping", "GET", f"/mapping/csip/nomis-csip-id/{REPORT}")).status_code == 200
    await running.call("mapping", "DELETE", f"/mapping/csip/dps-csip-id/{dps_id}/all")
    assert (await running.call("mapping", "GET", f"/mapping/csip/nomis-csip-id/{REPORT}")).status_code == 404
    assert (await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)).status_code == 201


async def test_everything_is_there_again_after_a_restart(running: Running, state: Path) -> None:
    _, dps_id, pairs = await make(running)
    await running.call("mapping", "POST", "/mapping/csip/all", json=pairs)
    await running.call("admin", "PUT", f"/nomis/csip/{REPORT}", json={"logNumber": "LOG-9"})
    before, agreement = running.server.stores.dps_csip.record(dps_id), running.server.agreement()["csip"]
    running.server.stores.journal.flush()
    again = Stores(WORLD, state / "journal")
    assert again.dps_csip.record(dps_id) == before
    assert again.agreement()["csip"] == agreement
    assert agreement["dps_without_mapping"] == agreement["mappings_without_dps"] == agreement["dps_surplus"] == 0
    assert (again.nomis_csip.get(REPORT) or {})["logNumber"] == "LOG-9"
    again.clear()
    assert again.agreement()["csip"]["dps_records"] == 0
    again.journal.close()


def child(dps_id: str) -> Json:
    return {"dpsCSIPReportId": dps_id, "mappingType": NOMIS_CREATED}
