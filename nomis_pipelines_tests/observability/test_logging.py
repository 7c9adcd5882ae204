"""Promise: no secret and no payload reaches the log, not even inside a traceback."""

import io
import logging
from collections.abc import Iterator

import pytest

from nomis_pipelines.observability import configure_logging
from nomis_pipelines.settings import Settings

SECRET = "marker-client-secret"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(**environment: str) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(Settings.load(environment), stream=stream)
    return stream


def test_an_entry_is_one_line_with_time_level_and_logger():
    stream = logged()
    logging.getLogger("nomis_pipelines.ledger").info("opened %s", "ledger")
    assert stream.getvalue().endswith(" INFO    nomis_pipelines.ledger: opened ledger\n")


def test_the_level_is_a_setting_that_the_caller_may_override():
    stream = logged(NOMIS_PIPELINES_LOG_LEVEL="WARNING")
    logging.getLogger("nomis_pipelines").info("hidden")
    logging.getLogger("nomis_pipelines").warning("shown")
    assert "shown" in stream.getvalue()
    assert "hidden" not in stream.getvalue()
    configure_logging(Settings.load({}), level="ERROR", stream=stream)
    logging.getLogger("nomis_pipelines").warning("also hidden")
    assert "also hidden" not in stream.getvalue()


def test_known_secrets_are_hidden_in_messages_and_tracebacks():
    stream = logged(VISITS_CLIENT_SECRET=SECRET)
    logging.getLogger("nomis_pipelines").warning("asked with %s", SECRET)
    try:
        raise ValueError(f"refused {SECRET}")
    except ValueError:
        logging.getLogger("nomis_pipelines").exception("failed")
    assert SECRET not in stream.getvalue()
    assert "asked with ****" in stream.getvalue()
    assert "ValueError: refused ****" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.sig", "Authorization: Bearer ****"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic ****"),
        (
            "cannot reach postgresql+psycopg://user:pass@db.test/ledger",
            "cannot reach postgresql+psycopg://****@db.test/",
        ),
        ("see http://localhost:3000/runs and mail a@b.test", "see http://localhost:3000/runs and mail a@b.test"),
        ("basic checks are done", "basic checks are done"),
    ],
)
def test_tokens_and_passwords_in_addresses_are_hidden_whoever_wrote_them(text: str, shown: str):
    stream = logged()
    logging.getLogger("library").warning(text)
    assert shown in stream.getvalue()


@pytest.mark.parametrize("library", ["httpx", "botocore", "sqlalchemy.engine", "urllib3"])
def test_libraries_that_log_addresses_and_bodies_are_quiet_even_at_debug(library: str):
    stream = logged(NOMIS_PIPELINES_LOG_LEVEL="DEBUG")
    logging.getLogger(library).info("GET http://nomis.test/visits?offenderNo=A1234BC")
    assert stream.getvalue() == ""
