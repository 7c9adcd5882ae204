"""Promise: CSIP reports go over with all their parts, each once, and then follow NOMIS's events in any order."""

import json
from pathlib import Path
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader, State
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines.sandbox.data.csip import FIRST_REPORT, CsipData
from nomis_pipelines.sandbox.data.world import World
from nomis_pipelines.sandbox.emit import Emitter
from nomis_pipelines.sandbox.emit_csip import parts_of
from nomis_pipelines.sandbox.stores.nomis_csip import rows_of
from nomis_pipelines_tests.e2e.support import Ended, rows, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

DATA = CsipData(World(seed=7, prisoners=1200))
IDS = range(FIRST_REPORT, FIRST_REPORT + DATA.count)
UNFIT = [number for number in IDS if DATA.is_unfit(number)]


@pytest.fixture
def settings(environment: dict[str, str]) -> dict[str, str]:
    """Several pages, and messages that come back soon."""
    return {**environment, "NOMIS_PIPELINES_CSIP_PAGE_SIZE": "90", "NOMIS_PIPELINES_VISIBILITY_SECONDS": "4"}


def migrate(settings: dict[str, str]) -> Ended:
    return run(settings, "migrate", "csip", "--filter", "{}", "--json")


def synchronise(settings: dict[str, str], seconds: int) -> dict[str, Any]:
    ended = run(settings, "synchronise", "csip", "--until-idle", str(seconds), "--json")
    assert ended.status == 0, ended.err
    return next(each for each in json.loads(ended.out.strip().splitlines()[-1]) if each["queue"] == "eventcsip")


def all_agree(admin: SandboxAdmin, ledger_url: str) -> None:
    with LedgerReader(ledger_url) as reader:
        assert disagreements(admin, reader, "csip") == []
    numbers = admin.agreement()["csip"]
    assert (numbers["dps_surplus"], numbers["mappings_to_another"], numbers["mappings_without_dps"]) == (0, 0, 0)


def records(admin: SandboxAdmin) -> dict[int, str]:
    """The DPS id of each report that DPS has."""
    return {row["nomisKey"][1]: row["id"] for row in rows(admin, "/csip") if row["nomisKey"][0] == "RECORD"}


def parts_in_dps(admin: SandboxAdmin, report_id: int) -> int:
    return sum(row["report"] == str(report_id) for row in rows(admin, "/csip")) - 1


def test_one_run_brings_every_report_with_its_parts_over_once(
    sandbox: SandboxAdmin, settings: dict[str, str], ledger_url: str
) -> None:
    sandbox.set_fault("latency", "mapping", distribution="lognormal", milliseconds=3, seed=5)
    sandbox.set_fault("status", "csip", code=500, method="PUT", path="/sync/csip-records", limit=2)
    first = migrate(settings).result
    assert (first["estimated"], first["rejected"], first["in_doubt"]) == (len(IDS), len(UNFIT), 0)
    assert (first["failed"], first["migrated"]) == (2, len(IDS) - len(UNFIT) - 2)
    all_agree(sandbox, ledger_url)

    sandbox.clear_faults()
    second = migrate(settings).result
    assert (second["migrated"], second["failed"], second["rejected"]) == (2, 0, len(UNFIT))
    all_agree(sandbox, ledger_url)
    there = records(sandbox)
    assert sorted(there) == [number for number in IDS if number not in UNFIT]
    expected = sum(1 + len(list(rows_of(DATA.report(number) or {}))) for number in there)
    assert len(rows(sandbox, "/csip")) == len(rows(sandbox, "/mappings/csip")) == expected
    with LedgerReader(ledger_url) as reader:
        rejected = reader.records("csip", states=[State.REJECTED], limit=100)
    assert [(int(record.nomis_key), record.reason) for record in rejected] == [
        (number, "missing-value") for number in UNFIT
    ]


def test_events_are_followed_in_whatever_order_they_come(
    sandbox: SandboxAdmin, sandbox_server: Sandbox, settings: dict[str, str], ledger_url: str
) -> None:
    assert migrate(settings).status == 0
    emit = Emitter(sandbox, sandbox_server.environment)
    full = [number for number in IDS if number not in UNFIT and len(list(rows_of(DATA.report(number) or {}))) > 5]
    like, changed, gone, moved = full[:4]
    before = records(sandbox)

    made = int(emit.csip.report_inserted(like)["csipReportId"])  # with an event for each part, all in one burst
    emit.csip.report_updated(changed, "LOG-9")
    factor = int(emit.csip.factor_inserted(changed, "MED")["csipFactorId"])
    emit.csip.factor_inserted(changed, "GAN")
    emit.csip.report_deleted(gone)
    booking = sandbox.nomis_csip(moved)["bookingId"]
    source = sandbox.nomis_csip(moved)["offender"]["offenderNo"]
    target = sandbox.nomis_csip(like)["offender"]["offenderNo"]
    emit.booking_moved(booking, target)
    # a part's event comes before its report's: NOMIS has both by then, the mapping service neither
    early = sandbox.add_csip(like, sandbox.nomis_csip(like)["bookingId"])
    stem, field, part = next(parts_of(early))
    emit.csip.tell(f"{stem}-INSERTED", early, **{field: part})
    emit.csip.tell("CSIP_REPORTS-INSERTED", early)
    # half-way through the burst the pairs of some parts are refused, and come with our own retry messages
    sandbox.set_fault("status", "mapping", code=500, method="POST", path="/mapping/csip/children/all", limit=8)
    for seconds in (12, 65):  # what failed comes back after one, ten, or sixty seconds
        synchronise(settings, seconds)
        after = records(sandbox)
        if early["id"] in after and parts_in_dps(sandbox, changed) == len(list(rows_of(sandbox.nomis_csip(changed)))):
            break

    assert sorted(after) == sorted({*before, made, early["id"]} - {gone})
    for report_id in (made, changed, moved, early["id"]):
        assert parts_in_dps(sandbox, report_id) == len(list(rows_of(sandbox.nomis_csip(report_id))))
    body = sandbox.record("csip", before[changed])
    assert (body["logCode"], body["referral"]["contributoryFactors"][-2]["legacyId"]) == ("LOG-9", factor)
    assert sandbox.record("csip", before[moved])["prisonNumber"] == target != source
    all_agree(sandbox, ledger_url)
    lines = Path(settings["NOMIS_PIPELINES_TELEMETRY_FILE"]).read_text().splitlines()
    told = [json.loads(line)["name"] for line in lines]
    for name in ("created-success", "updated-success", "updated-failed", "deleted-success"):
        assert f"csip-synchronisation-{name}" in told
    assert "csip-booking-moved-success" in told
    assert "csip-synchronisation-from-nomis-duplicate" not in told
