"""Promise: worked examples 10.2 to 10.4 of the alerts card: calls in order, headers, bodies, messages, telemetry."""

import httpx
import pytest
import respx

from nomis_pipelines.ledger import State
from nomis_pipelines_tests import world
from nomis_pipelines_tests.domains.alerts.examples import (
    BASE,
    EVENT,
    MAPPING_BODY,
    MAPPINGS,
    NEW,
    ONE_BODY,
    PRISONER,
    RESYNCED,
    TWO,
    dps_creates,
    dps_resyncs,
    in_nomis,
    internal,
    key,
    mapping_answers,
    merged,
    moved,
    not_mapped,
    pairs,
    resync_bodies,
    sent,
    set_in_nomis,
)
from nomis_pipelines_tests.domains.events import Consumer

pytestmark = pytest.mark.server

QUEUE = "eventalerts"


async def test_worked_example_10_2_a_new_alert_whose_mapping_fails_once(alerts: Consumer) -> None:
    in_nomis()
    not_mapped()
    created = dps_creates()
    posted = mapping_answers(httpx.Response(500), httpx.Response(201))
    await alerts.event("ALERT-INSERTED", **EVENT)
    headers = created.calls.last.request.headers
    assert (headers["Source"], headers["Username"]) == ("NOMIS", "KOSEI_GEN")
    assert sent(created) == ONE_BODY
    assert sent(posted) == MAPPING_BODY
    assert alerts.calls == [
        "GET nomis /prisoners/booking-id/880011/alerts/6",
        "GET mapping /mapping/alerts/nomis-booking-id/880011/nomis-alert-sequence/6",
        "POST alerts /prisoners/A7001BC/alerts",
        "POST mapping /mapping/alerts",
    ]
    assert alerts.queues.sent == [(QUEUE, "RETRY_SYNCHRONISATION_MAPPING", MAPPING_BODY, BASE)]
    assert alerts.telemetry.events == [
        ("alert-synchronisation-created-success", {**BASE, "mapping": "initial-failure", "dpsAlertId": NEW})
    ]
    alerts.telemetry.events.clear()
    await alerts.receive(internal("RETRY_SYNCHRONISATION_MAPPING", MAPPING_BODY, BASE))
    assert alerts.calls == ["POST mapping /mapping/alerts"]
    assert sent(posted) == MAPPING_BODY
    assert alerts.telemetry.events == [("alert-mapping-created-synchronisation-success", BASE)]
    record = await alerts.context.ledger.record(key(f"{PRISONER}/880011/6"))
    assert record is not None
    assert (record.state, record.dps_id) == (State.MAPPED, NEW)


async def test_worked_example_10_3_two_prisoners_become_one(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, TWO)
    cleared, resynced = dps_resyncs("A7999ZZ"), dps_resyncs(PRISONER, *RESYNCED)
    replaced = respx.put(f"{MAPPINGS}/{PRISONER}/merge").respond(200)
    await alerts.event("prison-offender-events.prisoner.merged", **merged())
    assert alerts.calls == [
        "GET nomis /prisoners/A7001BC/alerts/to-migrate",
        "POST alerts /resync/A7999ZZ/alerts",
        "POST alerts /resync/A7001BC/alerts",
        "PUT mapping /mapping/alerts/A7001BC/merge",
    ]
    assert sent(cleared) == []
    assert sent(resynced) == resync_bodies()
    assert not {"source", "username"} & set(resynced.calls.last.request.headers)
    assert sent(replaced) == {
        "removedOffenderNo": "A7999ZZ",
        "prisonerMapping": {"mappingType": "NOMIS_CREATED", "mappings": pairs(*RESYNCED)},
    }
    assert alerts.queues.sent == []
    assert alerts.telemetry.events == [
        (
            "from-nomis-synch-alerts-merge",
            {
                "offenderNo": PRISONER,
                "bookingId": "880011",
                "removedOffenderNo": "A7999ZZ",
                "alertsCount": "2",
                "alerts": "2, 5",
            },
        )
    ]


async def test_worked_example_10_4_a_booking_moves_to_one_who_is_not_in_prison(alerts: Consumer) -> None:
    set_in_nomis(PRISONER, None)
    cleared = dps_resyncs(PRISONER)
    emptied = respx.put(f"{MAPPINGS}/{PRISONER}/all").respond(200)
    await alerts.event("prison-offender-events.prisoner.booking.moved", **moved())
    assert alerts.calls == [
        "GET nomis /prisoners/A7001BC/alerts/to-migrate",
        "POST alerts /resync/A7001BC/alerts",
        "PUT mapping /mapping/alerts/A7001BC/all",
    ]
    assert sent(cleared) == []
    assert sent(emptied) == {"mappingType": "NOMIS_CREATED", "mappings": []}
    told = {
        "bookingId": "880011",
        "whichPrisoner": "FROM",
        "offenderNo": PRISONER,
        "alertsCount": "0",
        "alerts": "",
    }
    assert alerts.telemetry.events == [("from-nomis-synch-alerts-booking-moved", told)]
    target = {"bookingId": 880011, "offenderNo": "A7500KK", "whichPrisoner": "TO"}
    assert alerts.queues.sent == [(QUEUE, "RESYNCHRONISE_MOVE_BOOKING_TARGET", target, {})]
    alerts.telemetry.events.clear()
    respx.get(f"{world.NOMIS}/prisoners/A7500KK").respond(json={"offenderNo": "A7500KK", "active": False})
    set_in_nomis("A7500KK", TWO)
    dps_resyncs("A7500KK", *RESYNCED)
    replaced = respx.put(f"{MAPPINGS}/A7500KK/all").respond(200)
    await alerts.receive(internal("RESYNCHRONISE_MOVE_BOOKING_TARGET", target))
    assert alerts.calls == [
        "GET nomis /prisoners/A7500KK",
        "GET nomis /prisoners/A7500KK/alerts/to-migrate",
        "POST alerts /resync/A7500KK/alerts",
        "PUT mapping /mapping/alerts/A7500KK/all",
    ]
    assert sent(replaced) == {"mappingType": "NOMIS_CREATED", "mappings": pairs(*RESYNCED)}
    to = {**told, "whichPrisoner": "TO", "offenderNo": "A7500KK", "alertsCount": "2", "alerts": "2, 5"}
    assert alerts.telemetry.events == [("from-nomis-synch-alerts-booking-moved", to)]
