"""The ledger's database address, and how it is spoken of without its password."""

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from nomis_pipelines.ledger.errors import LedgerError, LedgerUnavailable

# A server that vanished without a word is noticed within about 20 seconds.
_KEEPALIVE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


@dataclass(frozen=True)
class Address:
    """Where the ledger is."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `postgresql://…` or `postgresql+psycopg://…`. Raises `LedgerError` without showing the text."""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # a ValueError of the port would show what stands in its place
            raise LedgerError("the ledger's database address is not of the form postgresql://user@host/name") from None
        if url.get_backend_name() != "postgresql":
            raise LedgerError("the ledger needs PostgreSQL: its database address must begin with postgresql://")
        return cls(url.set(drivername="postgresql+psycopg"))

    def __str__(self) -> str:
        """Host, port and database, for messages."""
        host = self.url.host or self.url.query.get("host") or "localhost"
        return f"{host}:{self.url.port or 5432}/{self.url.database or ''}"

    def __repr__(self) -> str:
        return f"Address({self})"

    def engine_options(self) -> dict[str, Any]:
        """Arguments of `create_engine` and `create_async_engine`."""
        return {
            "connect_args": self._keepalive(),
            "hide_parameters": True,  # errors of SQLAlchemy would show the values of a statement
            "pool_pre_ping": True,
            "pool_size": 2,
            "max_overflow": 8,
        }

    def connect_options(self) -> dict[str, Any]:
        """Arguments of `psycopg.connect`."""
        options: dict[str, Any] = {**self._keepalive(), **self.url.query}
        names = {"host": "host", "port": "port", "database": "dbname", "username": "user", "password": "password"}
        for ours, theirs in names.items():
            value = getattr(self.url, ours)
            if value is not None:
                options[theirs] = str(value)
        return options

    def _keepalive(self) -> dict[str, str]:
        return {name: value for name, value in _KEEPALIVE.items() if name not in self.url.query}

    def unavailable(self, error: BaseException | None = None) -> LedgerUnavailable:
        """The error to raise when the database is away; `error` gives the reason as far as it is safe to tell."""
        return LedgerUnavailable(f"the ledger's database {self} cannot be reached{_reason(error)}")

    def refused(self, error: BaseException, doing: str) -> LedgerError:
        """The error to raise when PostgreSQL refused a statement of ours; `doing` says which."""
        return LedgerError(f"the ledger's database {self} refused {doing}{_reason(error)}")


def is_away(error: BaseException) -> bool:
    """Whether an error means that the server is away (as against: it refused what was asked)."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    # a server that has just become a standby refuses to write: its successor is to be found by connecting again
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.ReadOnlySqlTransaction)


def _reason(error: BaseException | None) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    if state:
        return f" ({type(cause).__name__}, SQLSTATE {state})"
    text = str(cause or "").lower()
    known = ("connection refused", "timeout expired", "password authentication failed", "does not exist")
    found = next((phrase for phrase in known if phrase in text), None)
    return f" ({found})" if found else (f" ({type(cause).__name__})" if cause is not None else "")
