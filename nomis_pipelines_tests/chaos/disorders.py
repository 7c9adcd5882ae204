"""What can go wrong, each as a function that lets it happen to a running migration and returns when that has ended."""

import signal
import subprocess
import time
from collections.abc import Callable

from nomis_pipelines_tests.chaos.world import SURVIVABLE, ChaosWorld, say
from nomis_pipelines_tests.e2e.support import run

SERVICES = ("nomis", "mapping", "visits")
Disorder = Callable[[ChaosWorld], None]


def kills_of_the_run(world: ChaosWorld) -> None:
    """`kill -9` at three moments."""
    world.slow_down()
    for number in range(3):
        process = world.begin()
        world.moment(process, number * 0.3, number * 0.3 + 0.3)
        world.kill(process)


def kill_of_postgresql(world: ChaosWorld) -> None:
    """`kill -9` of the ledger's database, twice, back after a while: the run waits for it."""
    world.slow_down()
    process = world.begin()
    for share in (0.1, 0.5):
        world.moment(process, share, share + 0.3)
        world.postgres.kill()
        time.sleep(world.chance.uniform(0.1, 3.0))
        world.postgres.start()
    assert world.end(process).status == 0


def outage_of_each_service(world: ChaosWorld) -> None:
    """Every service gone for some seconds, one after another, HMPPS Auth too."""
    world.slow_down()
    process = world.begin()
    services = [*SERVICES, "auth"]
    world.chance.shuffle(services)
    for number, service in enumerate(services):
        world.moment(process, number * 0.2, number * 0.2 + 0.2)
        world.admin.set_fault("outage", service, seconds=world.chance.uniform(0.5, 3.0))
    ended = world.end(process)
    assert ended.status == 0, ended.err
    assert ended.result["failed"] == 0


def dropped_connections(world: ChaosWorld) -> None:
    """Connections that break before and after the work, all services, both ways."""
    for service in SERVICES:
        for kind in ("drop_before", "drop_after"):
            world.admin.set_fault(kind, service, probability=0.03, seed=world.chance.randrange(1_000_000))
    assert world.end(world.begin()).status in SURVIVABLE


def storm_of_429(world: ChaosWorld) -> None:
    """Services that are too busy for half of the calls, with and without saying for how long."""
    for service in SERVICES:
        seed = world.chance.randrange(1_000_000)
        world.admin.set_fault("status", service, code=429, retry_after=1, probability=0.5, limit=25, seed=seed)
        world.admin.set_fault("status", service, code=503, probability=0.5, limit=25, seed=seed + 1)
    ended = world.end(world.begin())
    assert ended.status == 0, ended.err
    assert ended.result["in_doubt"] == 0  # what was refused was not done: it may fail, but is never in doubt


def slow_answers(world: ChaosWorld) -> None:
    """Answers that drip, and calls that hang until the client gives up."""
    for service in SERVICES:
        seed = world.chance.randrange(1_000_000)
        world.admin.set_fault("drip", service, bytes_per_second=200, probability=0.01, limit=10, seed=seed)
        world.admin.set_fault("hang", service, seconds=4, probability=0.01, limit=5, seed=seed)
    assert world.end(world.begin()).status in SURVIVABLE


def unreadable_answers(world: ChaosWorld) -> None:
    """Good statuses with bodies that nobody can read, and errors after the work was done."""
    for service in SERVICES:
        seed = world.chance.randrange(1_000_000)
        style = world.chance.choice(["truncated", "html", "empty", "wrong_shape"])
        say(f"  {service}: {style}")
        world.admin.set_fault("malformed_body", service, style=style, probability=0.02, limit=20, seed=seed)
        world.admin.set_fault("status", service, code=504, when="after", probability=0.02, limit=20, seed=seed)
    assert world.end(world.begin()).status in SURVIVABLE


def two_runs_at_once(world: ChaosWorld) -> None:
    """Two runs of the same records, begun at different moments."""
    world.slow_down()
    first = world.begin()
    world.moment(first, 0.0, 0.5)
    second = world.begin()
    for process in (first, second):
        ended = world.end(process)
        assert ended.status in SURVIVABLE, ended.err


def cancellation(world: ChaosWorld) -> None:
    """Cancelled through the ledger at a moment, then by a signal at another: nothing is left half done."""
    world.slow_down()
    process = world.begin()
    world.moment(process, 0.1, 0.4)
    migration_id = _running(world)
    cancelled = run(world.environment, "cancel", migration_id, "--wait")
    assert cancelled.status == 0, cancelled.err
    world.end(process)
    process = world.begin()
    world.moment(process, 0.5, 0.8)
    process.send_signal(signal.SIGTERM)
    world.end(process)


def mapping_table_reset(world: ChaosWorld) -> None:
    """All mappings deleted after a migration, without DPS being emptied: what was there before is still listed."""
    assert world.end(world.begin()).status == 0
    assert _delete_mappings(world) == 204


def clock_that_jumps(world: ChaosWorld) -> None:
    """The machine's clock is set forward or back by hours while a run is under way."""
    world.slow_down()
    seconds = world.chance.choice([-7200.0, -3600.0, 3600.0, 7200.0])
    say(f"  by {seconds:.0f} s")
    process = world.begin(
        module="nomis_pipelines_tests.chaos.jumping_clock",
        CLOCK_JUMP_SECONDS=str(seconds),
        CLOCK_JUMP_AFTER=str(world.chance.uniform(4.0, 7.0)),
    )
    ended = world.end(process)
    assert ended.status == 0, ended.err
    assert ended.result["failed"] == 0


def everything_at_once(world: ChaosWorld) -> None:
    """A bad night: kills of run and database, outages and lost answers, in any order."""
    world.slow_down()
    for service in SERVICES:
        world.admin.set_fault("drop_after", service, probability=0.01, seed=world.chance.randrange(1_000_000))
    process = world.begin()
    for number in range(4):
        if process.poll() is not None:
            world.end(process)
            process = world.begin()
        world.moment(process, number * 0.2, number * 0.2 + 0.25)
        _strike(world, process, world.chance.choice(["run", "database", *SERVICES]))
    if process.poll() is None:
        world.end(process)


def _strike(world: ChaosWorld, process: subprocess.Popen[str], what: str) -> None:
    say(f"  strikes {what}")
    if what == "run":
        world.kill(process)
    elif what == "database":
        world.postgres.kill()
        time.sleep(world.chance.uniform(0.1, 2.0))
        world.postgres.start()
    else:
        world.admin.set_fault("outage", what, seconds=world.chance.uniform(0.5, 2.0))


def _running(world: ChaosWorld) -> str:
    from nomis_pipelines.ledger import LedgerReader

    with LedgerReader(world.ledger_url) as reader:
        return next(row.migration_id for row in reader.history("VISITS") if row.active)


def _delete_mappings(world: ChaosWorld) -> int:
    import httpx

    url = world.environment["API_BASE_URL_MAPPING"]
    token = world.admin.token("operator")
    answer = httpx.delete(f"{url}/mapping/visits", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    return answer.status_code


DISORDERS: tuple[Disorder, ...] = (
    kills_of_the_run,
    kill_of_postgresql,
    outage_of_each_service,
    dropped_connections,
    storm_of_429,
    slow_answers,
    unreadable_answers,
    two_runs_at_once,
    cancellation,
    mapping_table_reset,
    clock_that_jumps,
    everything_at_once,
)
