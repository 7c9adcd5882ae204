"""Promise: a ledger whose disk is full stops the writing, loses nothing, and goes on when there is room again."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nomis_pipelines_tests.chaos.world import ChaosWorld, chaos_world

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

VISITS = 1200


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 160 MB in memory."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="nomis-pipelines-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a file system cannot be mounted here: that needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def fill(folder: Path) -> Path:
    """Leave not a byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(os.urandom(size) if size > 1 else b"x")
            except OSError:
                continue
    return ballast


def test_a_full_disk_holds_the_run_up_and_nothing_else(small_disk: Path) -> None:
    with chaos_world(small_disk, visits=VISITS, seed=11) as world:
        process = _begun(world)
        ballast = fill(small_disk)
        time.sleep(4)
        held = world.in_dps()
        time.sleep(1)
        ballast.unlink()
        if not world.postgres.running:  # it gives up when not even its log can be written
            world.postgres.start()
        ended = world.end(process)
        assert held < VISITS
        if ended.status != 0:
            world.settle()
        states = world.settle() and world.check()
        assert set(states) <= {"mapped", "rejected", "in_doubt"}


def _begun(world: ChaosWorld) -> "subprocess.Popen[str]":
    world.slow_down()
    process = world.begin()
    world.moment(process, 0.2, 0.3)
    return process
