"""Promise: whatever breaks, whenever it breaks, every NOMIS record is exactly one of mapped, rejected, in doubt or
duplicate when a migration has got to its end, and DPS holds no record that is neither mapped nor listed.

A sample of the disorders runs with the suite. All of them, by hand: `make chaos SEED=7 ROUNDS=3`.
"""

import os
import random
from collections.abc import Iterator

import pytest

from nomis_pipelines.ledger import State
from nomis_pipelines_tests.chaos.disorders import DISORDERS, Disorder
from nomis_pipelines_tests.chaos.world import CONCURRENCY, ChaosWorld, chaos_world, say

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

SEED = int(os.environ.get("NOMIS_PIPELINES_CHAOS_SEED", "20261124"))
ROUNDS = int(os.environ.get("NOMIS_PIPELINES_CHAOS_ROUNDS", "0"))
VISITS = int(os.environ.get("NOMIS_PIPELINES_CHAOS_VISITS", "1200"))
SAMPLE = 4

CHOSEN: list[tuple[int, Disorder]] = (
    [(number, disorder) for number in range(ROUNDS) for disorder in DISORDERS]
    if ROUNDS
    else [(0, disorder) for disorder in random.Random(SEED).sample(DISORDERS, SAMPLE)]
)


@pytest.fixture(scope="module")
def broken_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosWorld]:
    """One world for all: each disorder finds it as on its first day."""
    import shutil
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="nomis-pipelines-chaos-"))
    with chaos_world(folder, visits=VISITS, seed=SEED) as made:
        yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("number", "disorder"), CHOSEN, ids=[f"{disorder.__name__}-{number}" for number, disorder in CHOSEN]
)
def test_nothing_is_lost_and_nothing_is_there_twice_unseen(
    broken_world: ChaosWorld, number: int, disorder: Disorder
) -> None:
    world = broken_world
    world.forget()
    world.chance = random.Random(f"{SEED} {number} {disorder.__name__}")
    say(f"\n{disorder.__name__}, seed {SEED}, round {number}, {world.visits} visits")
    disorder(world)
    ended = world.settle()
    states = world.check()
    say("  " + ", ".join(f"{len(numbers)} {state}" for state, numbers in states.items()))
    assert ended.result["in_doubt"] == len(states.get(State.IN_DOUBT, set()))
    # every write in flight when something broke, and no more, may be in doubt
    assert len(states.get(State.IN_DOUBT, set())) <= world.visits * 0.2 + 4 * CONCURRENCY
    again = world.settle()
    assert (again.result["migrated"], again.result["in_doubt"]) == (0, ended.result["in_doubt"])
    assert world.check() == states
