"""Alerts: what is said, to whom, and how often. Knows nothing of Dagster; `nomis_pipelines.alerting` feeds it.

Repeats are grouped: after a message, others with the same key are only counted until the window is over; then the count
is told. The window opens only after the message is out, so that no failure of ours can silence an alert.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pydantic_core
from pydantic import SecretStr

from nomis_pipelines.settings import LONDON

log = logging.getLogger(__name__)

ATTEMPTS = 3
TIMEOUT_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 10.0
MOST_WINDOWS = 500
"""Kept at once. Keys come from job names and error classes, so there are few."""


class AlertNotDelivered(Exception):
    """The webhook did not take the message. Says why, never where: its address is a secret."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that a person must know. `key`: alerts with equal keys are repeats of one another.

    `facts` are (label, value); `link` leads to the run; `command` is what helps. Ids, counts and codes only.
    """

    key: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    link: str = ""
    command: str = ""

    def text(self) -> str:
        """The message, in what Slack and its likes show as bold and as code."""
        lines = [f"*{_escape(self.title)}*", *(f"{label}: {_escape(value)}" for label, value in self.facts if value)]
        if self.command:
            lines.append(f"what helps: {_escape(self.command)}")
        if self.link:
            lines.append(self.link)
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Window:
    """The time after a message in which its repeats are counted. `sent` is aware ISO; `link` is of the newest."""

    sent: str
    title: str
    swallowed: int = 0
    link: str = ""

    def over(self, now: datetime, seconds: float) -> bool:
        """Whether repeats are messages again."""
        return now >= datetime.fromisoformat(self.sent) + timedelta(seconds=seconds)


class WindowStore(Protocol):
    """Where windows outlive the process. Both may raise: then alerts are sent without grouping."""

    def load(self) -> str: ...  # the empty text when nothing was saved

    def save(self, text: str) -> None: ...


class Outcome(StrEnum):
    """What became of an alert."""

    SENT = "sent"
    COUNTED = "counted"


class Webhook:
    """Posts messages to a Slack-compatible webhook; writes them to the log when there is none."""

    def __init__(
        self,
        url: SecretStr | None,
        *,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._attempts = attempts
        self._sleep = sleep

    def post(self, text: str) -> None:
        """Deliver, trying again when the webhook is away or busy. Raises `AlertNotDelivered`."""
        if self._url is None:
            log.warning("alert (NOMIS_PIPELINES_ALERT_WEBHOOK_URL is not set): %s", text.replace("\n", "; "))
            return
        problem = ""
        for attempt in range(1, self._attempts + 1):
            problem, pause, final = self._try(self._url, text)
            if not problem:
                return
            if final:
                break
            if attempt < self._attempts:
                self._sleep(min(pause if pause is not None else 2.0 ** (attempt - 1), LONGEST_PAUSE_SECONDS))
        raise AlertNotDelivered(f"the webhook of NOMIS_PIPELINES_ALERT_WEBHOOK_URL {problem}")

    def _try(self, url: SecretStr, text: str) -> tuple[str, float | None, bool]:
        import httpx

        # at INFO httpx logs every address, and this one is a secret
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            answer = httpx.post(url.get_secret_value(), json={"text": text}, timeout=TIMEOUT_SECONDS)
        except httpx.InvalidURL:
            return "is not an address", None, True
        except httpx.HTTPError as error:
            return f"cannot be reached: {type(error).__name__}", None, False
        if answer.is_success:
            return "", None, True
        after = answer.headers.get("Retry-After", "")
        pause = float(after) if after.isdigit() else None
        again = answer.status_code == 429 or answer.status_code >= 500
        return f"answered {answer.status_code}", pause, not again


class Alerter:
    """Sends alerts, grouping repeats. `now` gives aware date-times."""

    def __init__(
        self, webhook: Webhook, store: WindowStore, *, window_seconds: float, now: Callable[[], datetime]
    ) -> None:
        self._webhook = webhook
        self._store = store
        self._window_seconds = window_seconds
        self._now = now

    def send(self, alert: Alert) -> Outcome:
        """Send, or count as a repeat. Raises `AlertNotDelivered`; then nothing was counted or opened."""
        windows, now = self._load(), self._now()
        window = windows.get(alert.key)
        if window is not None and not window.over(now, self._window_seconds):
            self._save({**windows, alert.key: replace(window, swallowed=window.swallowed + 1, link=alert.link)})
            return Outcome.COUNTED
        earlier = f"\n{_more(window)}" if window is not None and window.swallowed else ""
        self._webhook.post(alert.text() + earlier)
        opened = Window(sent=now.isoformat(), title=alert.title, link=alert.link)
        self._save({**windows, alert.key: opened})
        return Outcome.SENT

    def announce_repeats(self) -> int:
        """Tell the count of repeats of each window that is over, and close those without; how many were told."""
        windows, now = self._load(), self._now()
        over = {key: window for key, window in windows.items() if window.over(now, self._window_seconds)}
        told = 0
        for key, window in over.items():
            del windows[key]
            if window.swallowed:
                self._webhook.post("\n".join(filter(None, [f"*{_escape(window.title)}*", _more(window), window.link])))
                told += 1
                # it goes on, so the next repeats are counted too
                windows[key] = Window(sent=now.isoformat(), title=window.title, link=window.link)
            self._save(windows)
        return told

    def _load(self) -> dict[str, Window]:
        try:
            return {key: Window(**values) for key, values in _parsed(self._store.load()).items()}
        except Exception:
            log.exception("the windows of alerts cannot be read: alerts are not grouped")
            return {}

    def _save(self, windows: Mapping[str, Window]) -> None:
        newest = sorted(windows.items(), key=lambda item: item[1].sent)[-MOST_WINDOWS:]
        try:
            self._store.save(pydantic_core.to_json({key: asdict(window) for key, window in newest}).decode())
        except Exception:
            log.exception("the windows of alerts cannot be saved: alerts may be repeated")


def _parsed(text: str) -> dict[str, Any]:
    return pydantic_core.from_json(text) if text else {}


def _more(window: Window) -> str:
    since = datetime.fromisoformat(window.sent).astimezone(ZoneInfo(LONDON))
    return f"{window.swallowed} more of these since {since:%H:%M}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
