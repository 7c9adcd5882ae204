"""Promise: prisoners, bookings and alerts are functions of seed and number, as the contract has them, and varied."""

from collections import Counter
from datetime import date

from hypothesis import given, strategies as st

from nomis_pipelines.contracts.nomis_prisoner import Alert
from nomis_pipelines.sandbox.data.alerts import CODES, FIRST_BOOKING, AlertData
from nomis_pipelines.sandbox.data.people import offender_no, prisoner_of
from nomis_pipelines.sandbox.data.world import World

DATA = AlertData(World(seed=3, prisoners=1500, until=date(2026, 3, 10)))
LATEST = [DATA.alerts(bookings[-1]) for number in range(1500) if (bookings := DATA.bookings(number))]


@given(st.integers(0, 22_049_999))
def test_a_prison_number_leads_back_to_its_prisoner(prisoner: int) -> None:
    assert prisoner_of(offender_no(prisoner)) == prisoner


def test_a_text_that_is_no_prison_number_leads_nowhere() -> None:
    for text in ("", "A0000B", "A0000BBB", "Z0000BB", "A0000AB", "A٣٣٣٣BB", "a0000bb", "AB000BB"):
        assert prisoner_of(text) is None, text
    assert DATA.find(offender_no(1499)) == 1499
    assert DATA.find(offender_no(1500)) is None


def test_a_booking_tells_whose_it_is() -> None:
    for prisoner in range(200):
        assert all(DATA.owner(booking) == prisoner for booking in DATA.bookings(prisoner))
    assert DATA.owner(FIRST_BOOKING - 1) is None
    assert DATA.owner(FIRST_BOOKING + 1500 * 4) is None


def test_every_alert_is_what_the_contract_says_and_has_a_sequence_of_its_own() -> None:
    for alerts in LATEST:
        for alert in alerts:
            Alert.model_validate(alert | {"bookingSequence": 1}, by_alias=True, by_name=False)
        assert len({alert["alertSequence"] for alert in alerts}) == len(alerts)


def test_there_are_prisoners_with_several_bookings_with_none_and_without_alerts() -> None:
    bookings = Counter(len(DATA.bookings(number)) for number in range(1500))
    assert set(bookings) == {0, 1, 2, 3, 4}
    counts = [len(alerts) for alerts in LATEST]
    assert min(counts) == 0
    assert 5 < sum(counts) / len(counts) < 8
    assert {DATA.active(number) for number in range(50)} == {True, False}


def test_alerts_are_of_every_code_active_and_ended_with_and_without_what_may_be_missing() -> None:
    alerts = [alert for each in LATEST for alert in each]
    assert {alert["alertCode"]["code"] for alert in alerts} == set(CODES)
    assert any(not CODES[alert["alertCode"]["code"]].in_use for alert in alerts)
    for name in ("expiryDate", "authorisedBy", "comment"):
        assert 0 < sum(name in alert for alert in alerts) < len(alerts), name
    audits = [alert["audit"] for alert in alerts]
    for name in ("createDisplayName", "modifyUserId", "modifyDisplayName", "auditAdditionalInfo"):
        assert 0 < sum(name in audit for audit in audits) < len(audits), name
    assert {audit["auditModuleName"] for audit in audits} == {"OCDALERT", "DPS_SYNCHRONISATION", "OIDADMIS"}
    twice = [Counter(a["alertCode"]["code"] for a in each if a["isActive"]) for each in LATEST]
    assert any(count > 1 for codes in twice for count in codes.values()), "several active alerts of one code"


def test_the_latest_of_several_bookings_begins_with_copies_of_what_was_active_on_the_one_before() -> None:
    found = 0
    for prisoner in range(300):
        *_, before, latest = [0, 0, *DATA.bookings(prisoner)]
        copies = [a for a in DATA.alerts(latest) if a["audit"].get("auditAdditionalInfo")] if before else []
        active = [a for a in DATA.alerts(before) if a["isActive"] and not a["audit"].get("auditAdditionalInfo")]
        assert [a["alertCode"] for a in copies] == [a["alertCode"] for a in active[: len(copies)]]
        assert [a["alertSequence"] for a in copies] == list(range(1, len(copies) + 1))
        found += len(copies)
    assert found
