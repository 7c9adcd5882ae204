"""A sandbox from the outside: start one in another process, steer it, stop it."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from nomis_pipelines.sandbox.state import SandboxError, SandboxOptions, StateDirectory

START_SECONDS = 120.0


class SandboxAdmin:
    """The admin port as Python."""

    def __init__(self, url: str) -> None:
        self.url = url

    def status(self) -> dict[str, Any]:
        """What runs there."""
        return self._json("GET", "/status")

    def counts(self) -> dict[str, Any]:
        """Every request received: service -> in_flight, max_in_flight, requests (method, path template, outcomes)."""
        return self._json("GET", "/counts")

    def count(self, service: str, method: str, path: str, outcome: str | None = None) -> int:
        """How often an operation was called, with one outcome (a status, `dropped before` …) or with any."""
        for row in self.counts()[service]["requests"]:
            if row["method"] == method and row["path"] == path:
                outcomes: dict[str, int] = row["outcomes"]
                return sum(outcomes.values()) if outcome is None else outcomes.get(outcome, 0)
        return 0

    def set_fault(self, kind: str, service: str, **options: Any) -> int:
        """Set a fault (see `nomis_pipelines.sandbox.faults`); returns its id."""
        return self._json("POST", "/faults", {"kind": kind, "service": service, **options})["id"]

    def faults(self) -> list[dict[str, Any]]:
        """The faults that stand, with how often each has struck."""
        return self._json("GET", "/faults")

    def clear_faults(self, fault_id: int | None = None) -> None:
        """Take back one fault, or all."""
        self._json("DELETE", "/faults" if fault_id is None else f"/faults/{fault_id}")

    def reset(self, what: str = "all") -> None:
        """Forget stored `data`, `counts`, `faults`, or `all` of them."""
        self._json("POST", f"/reset?what={what}")

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change `token_seconds` or `refused_after_days`; returns both."""
        return self._json("PUT", "/settings", changes)

    def agreement(self) -> dict[str, Any]:
        """How what DPS holds, what is mapped and what NOMIS has agree."""
        return self._json("GET", "/agreement")

    def duplicates(self, domain: str = "visits") -> list[dict[str, Any]]:
        """NOMIS records written to DPS more than once, with the DPS ids."""
        return self._json("GET", f"/{domain}/duplicates")

    def records(self, path: str = "/visits", page: int = 0, size: int = 1000) -> dict[str, Any]:
        """One page of what is stored: `/visits`, `/mappings/visits`, and so on for each kind of record."""
        return self._json("GET", f"{path}?page={page}&size={size}")

    def visit(self, reference: str) -> dict[str, Any]:
        """A visit in the scheduler, with the body it was made from and the NOMIS visit that is."""
        return self._json("GET", f"/visits/{reference}")

    def adjustment(self, dps_id: str) -> dict[str, Any]:
        """An adjustment in DPS as it was last sent, with the NOMIS adjustment it was made from."""
        return self._json("GET", f"/adjustments/{dps_id}")

    def location(self, dps_id: str) -> dict[str, Any]:
        """A location in DPS as it was last sent, with the NOMIS location it was made from."""
        return self._json("GET", f"/locations/{dps_id}")

    def freeze_location(self, dps_id: str, error_code: int | None) -> None:
        """Let DPS answer upserts of a location with 409 and this code; None lifts it."""
        self._json("PUT", f"/locations/{dps_id}/frozen", {"error_code": error_code})

    def record(self, kind: str, dps_id: str) -> dict[str, Any]:
        """A record of DPS with the NOMIS record it was made from: `appointments`, `adjudications` or `incidents`."""
        return self._json("GET", f"/{kind}/{dps_id}")

    def add_visit(self, like: int = 1, **fields: Any) -> dict[str, Any]:
        """Make a new visit in NOMIS, alike to another but for some fields."""
        return self._json("POST", "/nomis/visits", {"like": like, "fields": fields})

    def cancel_visit(self, visit_id: int, outcome: str = "VISCANC", user: str = "AB_GEN") -> dict[str, Any]:
        """Cancel a visit in NOMIS."""
        return self._json("POST", f"/nomis/visits/{visit_id}/cancel", {"outcome": outcome, "user": user})

    def remove_visit(self, visit_id: int) -> None:
        """Let a visit vanish from NOMIS; it is still listed."""
        self._json("DELETE", f"/nomis/visits/{visit_id}")

    def add_adjustment(self, category: str, booking_id: int, **fields: Any) -> dict[str, Any]:
        """Make a new adjustment in NOMIS, `SENTENCE` or `KEY-DATE`, on a booking (the first is 1,000,000)."""
        return self._json(
            "POST", "/nomis/adjustments", {"category": category, "booking_id": booking_id, "fields": fields}
        )

    def change_adjustment(self, category: str, adjustment_id: int, **fields: Any) -> dict[str, Any]:
        """Change fields of an adjustment in NOMIS."""
        return self._json("PUT", f"/nomis/adjustments/{category}/{adjustment_id}", fields)

    def remove_adjustment(self, category: str, adjustment_id: int) -> None:
        """Delete an adjustment in NOMIS."""
        self._json("DELETE", f"/nomis/adjustments/{category}/{adjustment_id}")

    def alert(self, dps_id: str) -> dict[str, Any]:
        """An alert in DPS as it was last sent, with its prisoner and the NOMIS alert it was made from."""
        return self._json("GET", f"/alerts/{dps_id}")

    def prisoner(self, offender_no: str) -> dict[str, Any]:
        """A prisoner in NOMIS, with the ids of the bookings, the latest last."""
        return self._json("GET", f"/nomis/prisoners/{offender_no}")

    def add_alert(self, offender_no: str, **fields: Any) -> dict[str, Any]:
        """Make a new alert in NOMIS on a prisoner's latest booking; `code` is the alert's."""
        return self._json("POST", f"/nomis/prisoners/{offender_no}/alerts", fields)

    def change_alert(self, booking_id: int, sequence: int, **fields: Any) -> dict[str, Any]:
        """Change fields of an alert in NOMIS."""
        return self._json("PUT", f"/nomis/alerts/{booking_id}/{sequence}", fields)

    def remove_alert(self, booking_id: int, sequence: int) -> None:
        """Delete an alert in NOMIS."""
        self._json("DELETE", f"/nomis/alerts/{booking_id}/{sequence}")

    def court_case(self, case_id: int) -> dict[str, Any]:
        """A court case in NOMIS with all that belongs to it."""
        return self._json("GET", f"/nomis/court-case/{case_id}")

    def court_cases(self, booking_id: int) -> list[dict[str, Any]]:
        """The court cases of a booking in NOMIS."""
        return self._json("GET", f"/nomis/court-cases/{booking_id}")

    def put_court_cases(self, booking_id: int, cases: list[dict[str, Any]]) -> None:
        """Let a booking have these court cases from now on."""
        self._json("PUT", f"/nomis/court-cases/{booking_id}", cases)

    def add_court_case(self, booking_id: int, like: int) -> dict[str, Any]:
        """Make a court case on a booking in NOMIS, alike to another but for its ids."""
        return self._json("POST", f"/nomis/court-cases/{booking_id}", {"like": like})

    def case_notes(self, offender_no: str) -> list[dict[str, Any]]:
        """The case notes of a prisoner in NOMIS."""
        return self._json("GET", f"/nomis/prisoners/{offender_no}/case-notes")

    def case_note(self, note_id: int) -> dict[str, Any]:
        """A case note in NOMIS, with its prisoner."""
        return self._json("GET", f"/nomis/case-notes/{note_id}")

    def dps_case_note(self, dps_id: str) -> dict[str, Any]:
        """A case note in DPS as it was last sent, with its prisoner."""
        return self._json("GET", f"/case-notes/{dps_id}")

    def add_case_note(self, offender_no: str, **fields: Any) -> dict[str, Any]:
        """Make a case note in NOMIS on a prisoner's latest booking."""
        return self._json("POST", f"/nomis/prisoners/{offender_no}/case-notes", fields)

    def copy_case_note(self, note_id: int, booking_id: int) -> dict[str, Any]:
        """Copy a case note in NOMIS to another booking, as merges used to."""
        return self._json("POST", f"/nomis/case-notes/{note_id}/copy", {"booking_id": booking_id})

    def change_case_note(self, note_id: int, **fields: Any) -> dict[str, Any]:
        """Change fields of a case note in NOMIS."""
        return self._json("PUT", f"/nomis/case-notes/{note_id}", fields)

    def remove_case_note(self, note_id: int) -> None:
        """Delete a case note in NOMIS."""
        self._json("DELETE", f"/nomis/case-notes/{note_id}")

    def admit(self, offender_no: str) -> list[dict[str, Any]]:
        """Give a prisoner a new booking; the alerts that NOMIS copies to it."""
        return self._json("POST", f"/nomis/prisoners/{offender_no}/admit", {})

    def release(self, offender_no: str) -> None:
        """Let a prisoner be out of prison."""
        self._json("POST", f"/nomis/prisoners/{offender_no}/release", {})

    def merge(self, retained: str, removed: str) -> int:
        """Let one prisoner number go into another; the latest booking of the one that stays."""
        return self._json("POST", f"/nomis/prisoners/{retained}/merge", {"removed": removed})["bookingId"]

    def booking(self, booking_id: int) -> str:
        """Whose a booking is now."""
        return self._json("GET", f"/nomis/bookings/{booking_id}")["offenderNo"]

    def move_booking(self, booking_id: int, target: str) -> str:
        """Move a booking to another prisoner; whose it was."""
        return self._json("POST", f"/nomis/bookings/{booking_id}/move", {"target": target})["source"]

    def add_location(self, like: int, **fields: Any) -> dict[str, Any]:
        """Make a new location in NOMIS, alike to another but for some fields."""
        return self._json("POST", "/nomis/locations", {"like": like, "fields": fields})

    def nomis_location(self, location_id: int) -> dict[str, Any]:
        """A location as NOMIS has it now."""
        return self._json("GET", f"/nomis/locations/{location_id}")

    def change_location(self, location_id: int, **fields: Any) -> dict[str, Any]:
        """Change fields of a location in NOMIS."""
        return self._json("PUT", f"/nomis/locations/{location_id}", fields)

    def remove_location(self, location_id: int) -> None:
        """Delete a location in NOMIS; it is no longer listed."""
        self._json("DELETE", f"/nomis/locations/{location_id}")

    def add_incident(self, like: int, **fields: Any) -> dict[str, Any]:
        """Make a new incident in NOMIS, alike to another but for some fields."""
        return self._json("POST", "/nomis/incidents", {"like": like, "fields": fields})

    def nomis_incident(self, incident_id: int) -> dict[str, Any]:
        """An incident as NOMIS has it now."""
        return self._json("GET", f"/nomis/incidents/{incident_id}")

    def change_incident(self, incident_id: int, **fields: Any) -> dict[str, Any]:
        """Change fields of an incident in NOMIS."""
        return self._json("PUT", f"/nomis/incidents/{incident_id}", fields)

    def remove_incident(self, incident_id: int) -> None:
        """Delete an incident in NOMIS; it is no longer listed."""
        self._json("DELETE", f"/nomis/incidents/{incident_id}")

    def switch_incidents(self, agency: str, on: bool) -> None:
        """Put DPS in charge of incidents at an agency, or NOMIS."""
        self._json("PUT", f"/nomis/incidents-switch/{agency}", {"on": on})

    def nomis_csip(self, report_id: int) -> dict[str, Any]:
        """A CSIP report in NOMIS."""
        return self._json("GET", f"/nomis/csip/{report_id}")

    def add_csip(self, like: int, booking_id: int) -> dict[str, Any]:
        """Make a CSIP report on a booking in NOMIS, alike to another but for its ids."""
        return self._json("POST", "/nomis/csip", {"like": like, "booking_id": booking_id})

    def change_csip(self, report_id: int, **fields: Any) -> dict[str, Any]:
        """Change whole fields of a CSIP report in NOMIS."""
        return self._json("PUT", f"/nomis/csip/{report_id}", fields)

    def remove_csip(self, report_id: int) -> None:
        """Delete a CSIP report in NOMIS."""
        self._json("DELETE", f"/nomis/csip/{report_id}")

    def token(self, client: str = "operator", username: str | None = None, seconds: int = 1200) -> str:
        """A token for one of the clients, or for a person using it."""
        query = {"client": client, "seconds": str(seconds)} | ({"username": username} if username else {})
        return self._send("GET", f"/token?{urlencode(query)}").decode()

    def _json(self, method: str, path: str, body: object = None) -> Any:
        answer = self._send(method, path, body)
        return json.loads(answer) if answer else None

    def _send(self, method: str, path: str, body: object = None) -> bytes:
        # the standard library's client: importing httpx would cost the command line most of a second
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        try:
            content = None if body is None else json.dumps(body, default=str).encode()
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise SandboxError(f"the sandbox at {self.url} does not answer: {type(error).__name__}") from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise SandboxError(f"the sandbox answered {answer.status}: {text.decode()[:500]}")
        return text


class Sandbox:
    """A sandbox in a process of its own, which ends with ours.

    Without `state` its directory is a temporary one, removed at the end. `environment` holds all variables that lead
    our settings to it; `admin` steers it.
    """

    def __init__(
        self,
        *,
        state: Path | None = None,
        visits: int | None = None,
        adjustments: int | None = None,
        prisoners: int | None = None,
        locations: int | None = None,
        seed: int | None = None,
        postgres: bool = True,
        sqs: bool = True,
        **others: Any,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sandbox-") if state is None else None
        if self._temporary is not None:
            Path(self._temporary.name).chmod(0o755)  # as root, PostgreSQL is another account and must get through
        self.options = SandboxOptions(
            state=state or Path(self._temporary.name if self._temporary else "."),
            visits=visits,
            adjustments=adjustments,
            prisoners=prisoners,
            locations=locations,
            seed=seed,
            postgres=postgres,
            sqs=sqs,
            tied=True,
            **others,
        )
        self.directory = StateDirectory(self.options.state)
        self.environment: dict[str, str] = {}
        self.state: dict[str, Any] = {}
        self._admin: SandboxAdmin | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def admin(self) -> SandboxAdmin:
        """The admin port. Raises `SandboxError` when the sandbox has not been started."""
        if self._admin is None:
            raise SandboxError("the sandbox has not been started")
        return self._admin

    @property
    def pid(self) -> int:
        """The process that runs the services."""
        return int(self.state["pid"])

    def start(self) -> None:
        """Start it and wait until it is ready. Raises `SandboxError` with the end of its log."""
        self._process = spawn(self.options)
        self.state = wait_until_ready(self.directory, self._process)
        self.environment = self.state["environment"]
        self._admin = SandboxAdmin(self.state["admin"])

    def stop(self) -> None:
        """Stop it in order; what it stores is on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the services' process as `kill -9` would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        self._admin = None
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def spawn(options: SandboxOptions) -> subprocess.Popen[bytes]:
    """Start a sandbox in the background; its output goes to the log in its directory."""
    directory = StateDirectory(options.state)
    directory.path.mkdir(parents=True, exist_ok=True)
    with directory.log_file.open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "nomis_pipelines.sandbox.process", options.model_dump_json()],
            stdin=subprocess.PIPE if options.tied else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until_ready(directory: StateDirectory, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the sandbox says of itself once it is ready. Raises `SandboxError` when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = directory.ready()
        if state is not None and state["pid"] == process.pid:
            return state
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
    log = directory.log_file.read_text(errors="replace").strip()
    raise SandboxError(f"the sandbox did not start over {directory.path}; its log ends: {log[-800:]}")


def stop_running(directory: StateDirectory, seconds: float = 40.0) -> int:
    """Stop the sandbox that runs over a directory; returns its process id. Raises `SandboxError` when none does."""
    pid = int(directory.read()["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not directory.held():
            return pid
        time.sleep(0.05)
    raise SandboxError(f"process {pid} of the sandbox over {directory.path} did not end within {seconds:.0f} seconds")
