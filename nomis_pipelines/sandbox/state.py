"""The sandbox's directory: which world it holds, who runs it, and where that one listens."""

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nomis_pipelines.sandbox.data.world import World, london_now

DEFAULT_STATE = Path(".sandbox")
SHARES = {"adjustments": (1, 6), "prisoners": (2, 5), "locations": (1, 10)}
"""How many there are of each kind to a visit, unless one is told."""


class SandboxError(Exception):
    """The sandbox cannot be started, found or stopped. The message says what to do."""


class SandboxOptions(BaseModel):
    """How to start a sandbox. What is None is taken from the world the directory holds, or else from the defaults."""

    model_config = ConfigDict(frozen=True)

    state: Path = DEFAULT_STATE
    visits: int | None = None
    adjustments: int | None = None
    prisoners: int | None = None
    locations: int | None = None
    seed: int | None = None
    since: date | None = None
    today: date | None = None
    postgres: bool = True
    sqs: bool = True
    ports: dict[str, int] = {}
    tied: bool = False


class StateDirectory:
    """One directory, held by at most one running sandbox."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def log_file(self) -> Path:
        """Where a sandbox in the background writes."""
        return self.path / "sandbox.log"

    def hold(self) -> None:
        """Take the directory for this process. Raises `SandboxError` when another has it."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise SandboxError(
                f"a sandbox is running over {self.path}: stop it (nomis-pipelines sandbox stop), or choose another "
                "--state"
            ) from None
        self._lock = lock
        (self.path / "state.json").unlink(missing_ok=True)  # left by one that was killed

    def release(self) -> None:
        """Give the directory back."""
        (self.path / "state.json").unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, state: Mapping[str, Any]) -> None:
        """Tell others that the sandbox is ready, and where."""
        _write(self.path / "state.json", state)
        _write(self.path / "ports.json", state["ports"])

    def read(self) -> dict[str, Any]:
        """What the running sandbox wrote. Raises `SandboxError` when none runs, or none is ready yet."""
        state = self.ready()
        if state is None:
            raise SandboxError(f"no sandbox is running over {self.path}: start one with nomis-pipelines sandbox start")
        return state

    def ready(self) -> dict[str, Any] | None:
        """What the running sandbox wrote; None when none is ready. A file left by a dead one is not believed."""
        file = self.path / "state.json"
        if not file.exists() or not self.held():
            return None
        return json.loads(file.read_text())

    def last_ports(self) -> dict[str, int]:
        """The ports of the last start, so that addresses stay the same over a restart."""
        file = self.path / "ports.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def world(self, options: SandboxOptions) -> World:
        """The world of this directory, made on the first start. Raises `SandboxError` when another is asked for."""
        file = self.path / "world.json"
        asked = {
            "seed": options.seed,
            "visits": options.visits,
            "adjustments": options.adjustments,
            "prisoners": options.prisoners,
            "locations": options.locations,
            "since": options.since.isoformat() if options.since else None,
        }
        asked = {name: value for name, value in asked.items() if value is not None}
        if file.exists():
            kept = _with_shares(json.loads(file.read_text()))
            for name, value in asked.items():
                if kept[name] != value:
                    raise SandboxError(
                        f"{self.path} holds a world with {name} {kept[name]}, not {value}: "
                        "remove the directory, or choose another --state"
                    )
            return world_from_json(kept, options.today)
        until = options.today or london_now().date()
        plain = {name: value for name, value in World(until=until).as_json().items() if name not in SHARES}
        kept = _with_shares(plain | asked)
        try:
            world = world_from_json(kept, options.today)
        except ValueError as error:
            raise SandboxError(str(error)) from None
        _write(file, kept)
        return world

    def held(self) -> bool:
        """Whether a sandbox, ready or not, has this directory."""
        try:
            probe = os.open(self.path / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(probe)


def _with_shares(kept: Mapping[str, Any]) -> dict[str, Any]:
    """With as many records of each other kind as befits the number of visits, where nothing else was said."""
    shares = {name: max(1, int(kept["visits"]) * of // among) for name, (of, among) in SHARES.items()}
    return shares | dict(kept)


def world_from_json(kept: Mapping[str, Any], today: date | None) -> World:
    """The world written down as JSON."""
    return World(
        seed=kept["seed"],
        visits=kept["visits"],
        adjustments=kept["adjustments"],
        prisoners=kept["prisoners"],
        locations=kept["locations"],
        since=date.fromisoformat(kept["since"]),
        until=date.fromisoformat(kept["until"]),
        today=today,
    )


def _write(file: Path, value: Mapping[str, Any]) -> None:
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(value, indent=1))
    fresh.replace(file)
