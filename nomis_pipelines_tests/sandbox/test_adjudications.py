"""Promise: the sandbox's adjudications are listed, read, written and mapped as their card says."""

import json
from datetime import date
from typing import Any

from nomis_pipelines.contracts.nomis_prisoner import AdjudicationCharge
from nomis_pipelines.sandbox.data.adjudications import AdjudicationData, ChargeFilter, Key
from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.stores import Stores
from nomis_pipelines.sandbox.stores.dps_adjudications import hearing_id, punishment_id, punishment_type
from nomis_pipelines_tests.sandbox.conftest import WORLD, Running

DATA = AdjudicationData(WORLD)
KEYS = [DATA.key_at(number) for number in range(1, DATA.count + 1)]
MIGRATE = "/reported-adjudications/migrate"


def body(key: Key, **changes: Any) -> dict[str, Any]:
    """A request that the service takes, with one hearing and two punishments."""
    punishment = {
        "sanctionCode": "CC", "sanctionStatus": "IMMEDIATE", "sanctionSeq": 7, "effectiveDate": "2023-05-10",
        "statusDate": None, "comment": None, "compensationAmount": None, "consecutiveChargeNumber": None, "days": 3,
        "createdBy": "G", "createdDateTime": "2023-05-10T10:31:00",
    }  # fmt: skip
    hearing = {
        "oicHearingId": 3001, "oicHearingType": "GOV", "hearingDateTime": "2023-05-10T10:00:00", "locationId": 1,
        "adjudicator": None, "commentText": None, "representative": None, "hearingResult": None,
    }  # fmt: skip
    return {
        "agencyIncidentId": 1, "oicIncidentId": key[0], "offenceSequence": key[1], "bookingId": 5, "agencyId": "MDI",
        "incidentDateTime": "2023-05-01T21:05:00", "reportedDateTime": "2023-05-02T08:15:30", "locationId": 1,
        "statement": "", "reportingOfficer": {"username": "R"}, "createdByUsername": "K",
        "prisoner": {"prisonerNumber": "A5566ZX", "gender": "M", "currentAgencyId": None},
        "offence": {"offenceCode": "51:17", "offenceDescription": "x"}, "witnesses": [], "damages": [],
        "evidence": [], "disIssued": [], "nomisSplitRecord": False, "hearings": [hearing],
        "punishments": [punishment, {**punishment, "sanctionSeq": 8, "consecutiveChargeNumber": "1-1"}], **changes,
    }  # fmt: skip


def test_charges_are_listed_in_the_order_of_incidents_by_prison_and_day() -> None:
    assert list(DATA.select(ChargeFilter())) == sorted(KEYS) == KEYS
    parts = [key for prison in PRISONS for key in DATA.select(ChargeFilter(prisons=frozenset({prison})))]
    assert sorted(parts) == KEYS
    early = DATA.select(ChargeFilter(last=date(2024, 12, 31)))
    assert early + DATA.select(ChargeFilter(first=date(2025, 1, 1))) == tuple(KEYS)


def test_a_charge_is_found_by_its_ids_and_no_other_is() -> None:
    assert [DATA.number_of(key) for key in KEYS] == list(range(1, DATA.count + 1))
    for key in ((1, 1), (KEYS[0][0], 2), (KEYS[-1][0] + 10, 1)):
        assert DATA.charge(key) is None


def test_every_charge_is_one_of_the_contract_and_the_world_holds_all_kinds() -> None:
    found = [AdjudicationCharge.model_validate(DATA.charge(key)) for key in KEYS]
    assert {charge.has_multiple_charges for charge in found} == {True, False}
    assert {charge.current_prison is None for charge in found} == {True, False}
    assert {len(charge.hearings) for charge in found} == {0, 1, 2, 3}
    awards = [a for c in found for h in c.hearings for r in h.hearing_results for a in r.result_awards]
    assert {award.sanction_months is None for award in awards} == {True, False}
    assert any(award.consecutive_award for award in awards)
    assert any(award.created_by_username == "SYS" for award in awards)
    assert any(award.sanction_type is None for award in awards)
    ids = [hearing.hearing_id for charge in found for hearing in charge.hearings]
    assert len(ids) == len(set(ids))
    people = [w for c in found for w in (*c.incident.staff_witnesses, *c.incident.prisoner_victims)]
    assert people


async def test_nomis_lists_and_reads_charges(running: Running) -> None:
    page = (await running.call("nomis", "GET", "/adjudications/charges/ids?page=2&size=10")).json()
    listed = [(row["adjudicationNumber"], row["chargeSequence"]) for row in page["content"]]
    assert (listed, page["totalElements"]) == (KEYS[20:30], DATA.count)
    number, sequence = KEYS[0]
    path = f"/adjudications/adjudication-number/{number}/charge-sequence"
    one = await running.call("nomis", "GET", f"{path}/{sequence}")
    assert one.json()["offenderNo"] == DATA.offender(KEYS[0])
    assert (await running.call("nomis", "GET", f"{path}/9")).status_code == 404


async def test_a_charge_is_taken_once_and_told_to_people_of_its_prison(running: Running) -> None:
    key = next(key for key in KEYS if not DATA.raised_in_dps(key))
    number = f"{key[0]}-{key[1]}"
    taken = await running.call("adjudications", "POST", MIGRATE, json=body(key))
    assert taken.status_code == 201
    assert taken.json() == {
        "chargeNumberMapping": {"chargeNumber": number, "oicIncidentId": key[0], "offenceSequence": key[1]},
        "hearingMappings": [{"hearingId": hearing_id(3001), "oicHearingId": 3001}],
        "punishmentMappings": [
            {"punishmentId": punishment_id(7), "bookingId": 5, "sanctionSeq": 7},
            {"punishmentId": punishment_id(8), "bookingId": 5, "sanctionSeq": None},
        ],
    }
    assert (await running.call("adjudications", "POST", MIGRATE, json=body(key))).status_code == 406
    path = f"/reported-adjudications/{number}/v2"
    mine = await running.call("adjudications", "GET", path, headers={"Active-Caseload": "MDI"})
    assert mine.json()["reportedAdjudication"]["punishments"][0] == {
        "id": punishment_id(8), "type": "CONFINEMENT", "schedule": {"days": 3}
    }  # fmt: skip
    assert (await running.call("adjudications", "GET", path)).status_code == 404
    assert running.server.agreement()["adjudications"]["dps_records"] == 1


async def test_a_charge_that_was_raised_in_dps_is_held_from_the_beginning(running: Running) -> None:
    key = next(key for key in KEYS if DATA.raised_in_dps(key))
    assert (await running.call("adjudications", "POST", MIGRATE, json=body(key))).status_code == 406
    headers = {"Active-Caseload": "MDI"}
    for number, status in ((f"{key[0]}-{key[1]}", 404), (str(key[0]), 200)):
        path = f"/reported-adjudications/{number}/v2"
        assert (await running.call("adjudications", "GET", path, headers=headers)).status_code == status


async def test_a_hearing_before_the_incident_is_422(running: Running) -> None:
    wrong = body(KEYS[0], incidentDateTime="2023-06-01T00:00:00")
    assert (await running.call("adjudications", "POST", MIGRATE, json=wrong)).status_code == 422


def test_dps_reads_sanctions_in_its_own_way() -> None:
    sanction = {"sanctionCode": "ADA", "sanctionStatus": "SUSP_PROSP"}
    assert punishment_type(sanction) == "PROSPECTIVE_DAYS"
    assert punishment_type({**sanction, "sanctionStatus": "IMMEDIATE"}) == "ADDITIONAL_DAYS"
    assert punishment_type({**sanction, "sanctionCode": "OTHER", "compensationAmount": 1.5}) == "DAMAGES_OWED"
    assert punishment_type({**sanction, "sanctionCode": "FORFEIT"}) == "PRIVILEGE"


async def test_a_mapping_is_recorded_whole_or_not_at_all_and_a_409_holds_bare_ids(running: Running) -> None:
    def sent(number: int, hearing: str) -> str:
        return json.dumps({
            "adjudicationId": {"adjudicationNumber": number, "chargeSequence": 1, "chargeNumber": f"{number}-1"},
            "hearings": [{"nomisHearingId": 3001, "dpsHearingId": hearing}],
            "punishments": [{"nomisBookingId": 5, "nomisSanctionSequence": number, "dpsPunishmentId": f"{number}"}],
            "label": "2023-11-25T08:00:00", "mappingType": "MIGRATED",
        })  # fmt: skip

    async def post(text: str) -> Any:
        headers = {"Content-Type": "application/json"}
        return await running.call("mapping", "POST", "/mapping/adjudications/all", content=text, headers=headers)

    assert (await post(sent(1, "88"))).status_code == 201
    assert (await post(sent(1, "88"))).status_code == 201
    clash = await post(sent(2, "99"))
    assert (clash.status_code, clash.json()["moreInfo"]) == (409, {"existing": "88", "duplicate": "99"})
    path = "/mapping/adjudications/adjudication-number"
    assert (await running.call("mapping", "GET", f"{path}/1/charge-sequence/1")).json()["chargeNumber"] == "1-1"
    assert (await running.call("mapping", "GET", f"{path}/2/charge-sequence/1")).status_code == 404
    counted = await running.call("mapping", "GET", "/mapping/adjudications/migration-id/2023-11-25T08:00:00?size=1")
    assert counted.json()["totalElements"] == 1
    gone = await running.call("mapping", "DELETE", "/mapping/adjudications/charge-number/1-1")
    assert gone.status_code == 204
    assert (await running.call("mapping", "GET", f"{path}/1/charge-sequence/1")).status_code == 404


async def test_what_is_stored_outlives_the_process(running: Running, state: Any) -> None:
    key = next(key for key in KEYS if not DATA.raised_in_dps(key))
    await running.call("adjudications", "POST", MIGRATE, json=body(key))
    running.server.stores.journal.flush()
    again = Stores(WORLD, state / "journal")
    try:
        assert again.dps_adjudications.ids() == [f"{key[0]}-{key[1]}"]
        assert again.dps_adjudications.origin(f"{key[0]}-{key[1]}") == key
    finally:
        again.journal.close()
