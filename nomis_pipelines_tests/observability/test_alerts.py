"""Promise: an alert reaches a person once, its repeats as a count, and no failure of ours loses or silences one."""

import json
import logging
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx
from pydantic import SecretStr

from nomis_pipelines.observability.alerts import Alert, Alerter, AlertNotDelivered, Outcome, Webhook

URL = "http://hooks.test/services/T0/B0/verysecret"
SECONDS = 600.0


class Store:
    """Windows in memory; broken when told so."""

    def __init__(self) -> None:
        self.text = ""
        self.broken = False

    def load(self) -> str:
        if self.broken:
            raise OSError("no database")
        return self.text

    def save(self, text: str) -> None:
        if self.broken:
            raise OSError("no database")
        self.text = text


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alerter(store: Store, clock: Clock) -> Alerter:
    return Alerter(webhook(), store, window_seconds=SECONDS, now=clock)


def webhook(attempts: int = 3, pauses: list[float] | None = None) -> Webhook:
    return Webhook(SecretStr(URL), attempts=attempts, sleep=(pauses if pauses is not None else []).append)


def an_alert(key: str = "run:migrate_visits:CircuitOpen", link: str = "http://ui/runs/1") -> Alert:
    return Alert(
        key=key,
        title="migrate_visits failed",
        facts=[("where", "partition HEI|2024-05"), ("cause", "a < b"), ("records", "")],
        link=link,
        command="nomis-pipelines status",
    )


def said(route: respx.Route) -> list[str]:
    return [json.loads(call.request.content)["text"] for call in route.calls]


def test_a_message_says_what_where_and_what_helps_and_leaves_out_what_is_not_known() -> None:
    assert an_alert().text() == (
        "*migrate_visits failed*\n"
        "where: partition HEI|2024-05\n"
        "cause: a &lt; b\n"
        "what helps: nomis-pipelines status\n"
        "http://ui/runs/1"
    )


@respx.mock
def test_repeats_are_counted_and_told_with_the_next_message(alerter: Alerter, clock: Clock) -> None:
    route = respx.post(URL).mock(return_value=httpx.Response(200))
    outcomes = [alerter.send(an_alert()) for _ in range(4)]
    assert outcomes == [Outcome.SENT, Outcome.COUNTED, Outcome.COUNTED, Outcome.COUNTED]
    assert alerter.send(an_alert("another")) is Outcome.SENT
    clock.pass_by(SECONDS)
    assert alerter.send(an_alert()) is Outcome.SENT
    texts = said(route)
    assert len(texts) == 3
    assert texts[2].endswith("http://ui/runs/1\n3 more of these since 03:00")
    assert alerter.send(an_alert()) is Outcome.COUNTED


@respx.mock
def test_repeats_are_told_once_when_the_window_is_over_and_nothing_more_happens(alerter: Alerter, clock: Clock) -> None:
    route = respx.post(URL).mock(return_value=httpx.Response(200))
    alerter.send(an_alert())
    alerter.send(an_alert("quiet"))
    alerter.send(an_alert(link="http://ui/runs/2"))
    assert alerter.announce_repeats() == 0
    clock.pass_by(SECONDS)
    assert alerter.announce_repeats() == 1
    assert said(route)[-1] == "*migrate_visits failed*\n1 more of these since 03:00\nhttp://ui/runs/2"
    assert alerter.announce_repeats() == 0
    # it was told just now, so it is not told again at once
    assert alerter.send(an_alert()) is Outcome.COUNTED


@respx.mock
def test_a_message_that_did_not_get_out_opens_no_window(alerter: Alerter, store: Store) -> None:
    route = respx.post(URL)
    route.mock(return_value=httpx.Response(500))
    with pytest.raises(AlertNotDelivered, match="answered 500"):
        alerter.send(an_alert())
    assert store.text == ""
    route.mock(return_value=httpx.Response(200))
    assert alerter.send(an_alert()) is Outcome.SENT


@respx.mock
def test_a_count_that_did_not_get_out_is_told_later(alerter: Alerter, clock: Clock) -> None:
    route = respx.post(URL).mock(return_value=httpx.Response(200))
    alerter.send(an_alert())
    alerter.send(an_alert())
    clock.pass_by(SECONDS)
    route.mock(side_effect=httpx.ConnectError("no"))
    with pytest.raises(AlertNotDelivered, match="ConnectError"):
        alerter.announce_repeats()
    route.mock(return_value=httpx.Response(200))
    assert alerter.announce_repeats() == 1


@respx.mock
def test_without_a_memory_alerts_are_sent_all_the_same(alerter: Alerter, store: Store) -> None:
    respx.post(URL).mock(return_value=httpx.Response(200))
    store.broken = True
    assert [alerter.send(an_alert()) for _ in range(2)] == [Outcome.SENT, Outcome.SENT]
    store.broken = False
    store.text = "not json"
    assert alerter.send(an_alert()) is Outcome.SENT
    assert alerter.send(an_alert()) is Outcome.COUNTED


@respx.mock
def test_a_busy_webhook_is_asked_again_when_it_says() -> None:
    pauses: list[float] = []
    respx.post(URL).mock(
        side_effect=[httpx.Response(429, headers={"Retry-After": "3"}), httpx.ReadTimeout("slow"), httpx.Response(200)]
    )
    webhook(pauses=pauses).post("text")
    assert pauses == [3.0, 2.0]


@respx.mock
def test_a_webhook_that_refuses_is_not_asked_again() -> None:
    route = respx.post(URL).mock(return_value=httpx.Response(404))
    with pytest.raises(AlertNotDelivered, match="answered 404"):
        webhook().post("text")
    assert route.call_count == 1


@respx.mock
def test_the_address_of_the_webhook_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    respx.post(URL).mock(side_effect=[httpx.Response(200), httpx.ConnectError("refused")])
    webhook().post("text")
    with pytest.raises(AlertNotDelivered) as raised:
        webhook(attempts=1).post("text")
    assert "verysecret" not in caplog.text + str(raised.value)


@pytest.mark.parametrize("address", ["no address at all", "http://[verysecret"])
def test_what_is_no_address_is_said_without_saying_it(address: str) -> None:
    with pytest.raises(AlertNotDelivered) as raised:
        Webhook(SecretStr(address), sleep=lambda seconds: None).post("text")
    assert address not in str(raised.value)


def test_without_a_webhook_the_log_has_it(caplog: pytest.LogCaptureFixture, store: Store, clock: Clock) -> None:
    alerter = Alerter(Webhook(None), store, window_seconds=SECONDS, now=clock)
    assert alerter.send(an_alert()) is Outcome.SENT
    assert "migrate_visits failed" in caplog.text
    assert "NOMIS_PIPELINES_ALERT_WEBHOOK_URL is not set" in caplog.text
