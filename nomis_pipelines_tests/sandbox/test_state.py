"""Promise: one directory holds one world and at most one running sandbox, and what a dead one left is not believed."""

import json
from datetime import date
from pathlib import Path

import pytest

from nomis_pipelines.sandbox.state import SandboxError, SandboxOptions, StateDirectory


def test_a_directory_is_held_by_one_sandbox_at_a_time(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "new")
    directory.hold()
    with pytest.raises(SandboxError, match="sandbox stop"):
        StateDirectory(tmp_path / "new").hold()
    directory.release()
    StateDirectory(tmp_path / "new").hold()


def test_the_state_is_believed_only_while_somebody_holds_the_directory(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    with pytest.raises(SandboxError, match="sandbox start"):
        directory.read()
    directory.hold()
    directory.write({"pid": 1, "ports": {"nomis": 8081}})
    assert StateDirectory(tmp_path).read()["pid"] == 1
    directory.release()
    (tmp_path / "state.json").write_text(json.dumps({"pid": 1, "ports": {}}))
    assert StateDirectory(tmp_path).ready() is None
    assert StateDirectory(tmp_path).last_ports() == {"nomis": 8081}


def test_a_world_is_made_once_and_another_is_refused(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    options = SandboxOptions(state=tmp_path, visits=1200, seed=9, today=date(2026, 3, 10))
    world = directory.world(options)
    assert (world.visits, world.adjustments, world.seed, world.until) == (1200, 200, 9, date(2026, 3, 10))
    again = directory.world(SandboxOptions(state=tmp_path))
    assert again.as_json() == world.as_json()
    with pytest.raises(SandboxError, match="visits 1200, not 1300"):
        directory.world(SandboxOptions(state=tmp_path, visits=1300))


def test_a_world_that_was_made_before_there_were_prisoners_gets_some(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    made = directory.world(SandboxOptions(state=tmp_path, visits=1200, seed=9, today=date(2026, 3, 10))).as_json()
    assert made.pop("prisoners") == 480
    (tmp_path / "world.json").write_text(json.dumps(made))
    assert directory.world(SandboxOptions(state=tmp_path)).prisoners == 480
    with pytest.raises(SandboxError, match="prisoners 480, not 500"):
        directory.world(SandboxOptions(state=tmp_path, prisoners=500))


def test_an_impossible_world_is_refused_and_not_kept(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    with pytest.raises(SandboxError, match="begin earlier"):
        directory.world(SandboxOptions(state=tmp_path, visits=10**9))
    assert not (tmp_path / "world.json").exists()
