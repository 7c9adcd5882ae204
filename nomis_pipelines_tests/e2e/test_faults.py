"""Promise: on a bad day of every service at once, each record is accounted for, and DPS holds none twice that the
ledger does not list.
"""

from collections.abc import Iterator

import pytest

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import SandboxAdmin
from nomis_pipelines_tests.e2e.support import all_accounted_for, migrate, written

pytestmark = pytest.mark.server

EVERYTHING = {"visitTypes": []}
ALL = set(range(1, 3001))
STEADY = {"NOMIS_PIPELINES_HTTP_START_CONCURRENCY": "32", "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": "64"}


@pytest.fixture
def reader(environment: dict[str, str]) -> Iterator[LedgerReader]:
    with LedgerReader(environment["DATABASE_URL"]) as made:
        yield made


def settled(environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader) -> dict[str, set[int]]:
    """Clear the faults and migrate once more: only what is refused or in doubt may be left."""
    sandbox.clear_faults()
    last = migrate({**environment, **STEADY}, EVERYTHING)
    assert last.status == 0, last.err
    states = all_accounted_for(sandbox, reader, ALL)
    assert set(states) <= {"mapped", "rejected", "in_doubt", "duplicate"}
    assert not states.get("rejected", set()) & set(written(sandbox))
    assert len(set(written(sandbox)) | states.get("in_doubt", set()) | states["rejected"]) == len(ALL)
    return states


def test_broken_connections_before_and_after_the_work(
    environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    for seed, service in enumerate(("nomis", "mapping", "visits")):
        sandbox.set_fault("drop_before", service, probability=0.05, seed=seed)
        sandbox.set_fault("drop_after", service, probability=0.05, seed=seed + 10)
    first = migrate({**environment, **STEADY}, EVERYTHING)
    assert first.status == 0, first.err
    assert first.result["estimated"] == 3000
    counted = ("migrated", "skipped", "rejected", "failed", "unmapped", "in_doubt", "duplicates", "busy")
    assert sum(first.result[name] for name in counted) == 3000
    # one write in ten lost its answer: none of them is guessed at
    assert 200 < first.result["in_doubt"] < 400
    assert first.result["failed"] == 0
    states = all_accounted_for(sandbox, reader, ALL)
    doubt = states["in_doubt"]
    dropped_after = sandbox.count("visits", "POST", "/migrate-visits", "dropped after 201")
    assert len(doubt & set(written(sandbox))) == dropped_after
    assert settled(environment, sandbox, reader)["in_doubt"] == doubt


def test_overload_with_retry_after_and_latency(
    environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    for seed, service in enumerate(("nomis", "mapping", "visits")):
        sandbox.set_fault("latency", service, distribution="lognormal", milliseconds=3, seed=seed)
        sandbox.set_fault("status", service, code=429, retry_after="1", limit=1)
        sandbox.set_fault("status", service, code=503, probability=0.01, seed=seed, limit=2)
    result = migrate({**environment, **STEADY}, EVERYTHING)
    assert result.status == 0, result.err
    # a service that is merely busy costs time and nothing else
    assert (result.result["failed"], result.result["in_doubt"], result.result["unmapped"]) == (0, 0, 0)
    assert result.result["migrated"] + result.result["rejected"] == 3000
    states = all_accounted_for(sandbox, reader, ALL)
    assert set(states) == {"mapped", "rejected"}
    assert sandbox.agreement()["visits"]["dps_surplus"] == 0


def test_everything_at_once_and_twice(environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader) -> None:
    for seed, service in enumerate(("nomis", "mapping", "visits")):
        sandbox.set_fault("drop_before", service, probability=0.01, seed=seed)
        sandbox.set_fault("drop_after", service, probability=0.01, seed=seed)
        sandbox.set_fault("status", service, code=500, probability=0.01, seed=seed)
        sandbox.set_fault("status", service, code=502, probability=0.01, seed=seed)
        sandbox.set_fault("status", service, code=503, probability=0.01, seed=seed)
    sandbox.set_fault("malformed_body", "nomis", path="/visits/{visitId}", style="truncated", probability=0.01)
    sandbox.set_fault("malformed_body", "nomis", path="/visits/{visitId}", style="html", probability=0.01)
    sandbox.set_fault("malformed_body", "visits", method="POST", style="html", probability=0.01)
    sandbox.set_fault("collision", "mapping", method="POST", path="/mapping/visits", probability=0.01)
    sandbox.settings(token_seconds=61)  # good for one second: renewed all the time
    for _ in range(2):
        # a page that cannot be listed, or a count that fails, may end a run: then it is run again
        for _ in range(5):
            ended = migrate({**environment, **STEADY}, EVERYTHING)
            assert "Traceback" not in ended.err
            if ended.status == 0:
                break
        assert ended.status == 0, ended.err
    all_accounted_for(sandbox, reader, ALL)
    settled(environment, sandbox, reader)


def test_an_outage_of_a_service_for_a_moment_costs_nothing(
    environment: dict[str, str], sandbox: SandboxAdmin, reader: LedgerReader
) -> None:
    from nomis_pipelines_tests.e2e.support import start, wait_for_writes

    sandbox.set_fault("latency", "visits", milliseconds=4)
    process = start({**environment, **STEADY, "NOMIS_PIPELINES_PAGE_SIZE": "500"}, EVERYTHING)
    for at_least, service in ((300, "mapping"), (1200, "nomis"), (2000, "visits")):
        wait_for_writes(sandbox, process, at_least)
        sandbox.set_fault("outage", service, seconds=1.5)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    states = all_accounted_for(sandbox, reader, ALL)
    assert "failed" not in states, out
    # what was in flight when the visit scheduler was cut off
    assert len(states.get("in_doubt", set())) <= 64
    settled(environment, sandbox, reader)
