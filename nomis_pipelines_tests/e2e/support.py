"""The command as a process of its own, and what must be true of NOMIS, DPS, mappings and ledger when it has ended."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nomis_pipelines.ledger import LedgerReader, State
from nomis_pipelines.sandbox import SandboxAdmin

INTEGERS = ["estimated", "migrated", "skipped", "rejected", "failed", "unmapped", "in_doubt", "duplicates"]
"""What the last line of `--json` must hold as integers."""

KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object on the last line."""
        return json.loads(self.out.strip().splitlines()[-1])


def command(*arguments: str, module: str = "nomis_pipelines") -> list[str]:
    """The command line of `nomis-pipelines`, or of a module that does something to it."""
    return [sys.executable, "-m", module, *arguments]


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """The documented environment and nothing else that could lead somewhere."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | dict(environment)


def run(environment: Mapping[str, str], *arguments: str) -> Ended:
    """Run the command to its end."""
    ended = subprocess.run(
        command(*arguments), env=bare(environment), capture_output=True, text=True, check=False, timeout=200
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def migrate(environment: Mapping[str, str], filter: Mapping[str, Any] | None = None, domain: str = "visits") -> Ended:
    """`nomis-pipelines migrate DOMAIN --json`."""
    return run(environment, "migrate", domain, "--filter", json.dumps(filter or {}), "--json")


def start(
    environment: Mapping[str, str],
    filter: Mapping[str, Any] | None = None,
    domain: str = "visits",
    *,
    module: str = "nomis_pipelines",
) -> subprocess.Popen[str]:
    """The same, in the background, in a process group of its own."""
    return subprocess.Popen(
        command("migrate", domain, "--filter", json.dumps(filter or {}), "--json", module=module),
        env=bare(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_writes(sandbox: SandboxAdmin, process: subprocess.Popen[str], at_least: int) -> None:
    """Wait until DPS holds so many visits, or the process has ended."""
    deadline = time.monotonic() + 90
    while sandbox.agreement()["visits"]["dps_records"] < at_least:
        if process.poll() is not None:
            return
        assert time.monotonic() < deadline, f"{at_least} visits are not written after 90 s"
        time.sleep(0.01)


def rows(sandbox: SandboxAdmin, path: str) -> list[dict[str, Any]]:
    """Everything that the sandbox keeps at one place."""
    found: list[dict[str, Any]] = []
    for page in range(1000):
        content = sandbox.records(path, page=page, size=5000)["content"]
        if not content:
            return found
        found += content
    raise AssertionError(f"{path} is without end")


def written(sandbox: SandboxAdmin) -> list[int]:
    """The NOMIS id of every visit in the scheduler, as often as it is there."""
    return [row["nomisId"] for row in rows(sandbox, "/visits")]


def mapped(sandbox: SandboxAdmin) -> set[int]:
    """The NOMIS id of every mapping."""
    return {row["nomisKey"] for row in rows(sandbox, "/mappings/visits")}


def keys_by_state(reader: LedgerReader, domain: str) -> dict[str, set[str]]:
    """NOMIS keys by what the ledger says of them."""
    states: dict[str, set[str]] = {}
    for state in State:
        after = None
        while page := reader.records(domain, states=[state], after=after):
            states.setdefault(state, set()).update(record.nomis_key for record in page)
            after = page[-1].key
    return states


def by_state(reader: LedgerReader) -> dict[str, set[int]]:
    """Ids of visits by what the ledger says of them."""
    return {state: {int(key) for key in keys} for state, keys in keys_by_state(reader, "visits").items()}


def all_accounted_for(sandbox: SandboxAdmin, reader: LedgerReader, listed: set[int]) -> dict[str, set[int]]:
    """Assert that every listed visit is in exactly one place, and that DPS holds none twice that is not listed so."""
    states = by_state(reader)
    copies = written(sandbox)
    surplus = {number for number in copies if copies.count(number) > 1} if len(copies) != len(set(copies)) else set()
    assert surplus <= states.get("duplicate", set()), "visits twice in DPS that nobody knows of"
    assert set().union(*states.values()) >= listed, "visits that the ledger knows nothing of"
    done = states.get("mapped", set()) | states.get("duplicate", set())
    assert done <= set(copies), "visits called done that DPS has not"
    assert mapped(sandbox) >= states.get("mapped", set()), "visits called mapped that are not"
    assert set(copies) <= done | states.get("written", set()) | states.get("in_doubt", set()), "unknown writes"
    assert "writing" not in states
    return states
