"""Reports add up, and say the same numbers everywhere."""

import pytest

from nomis_pipelines.synchronisation import ConsumerReport, Delays, Ended, Outcome, QueueAttributes


def test_percentiles_are_right_to_five_percent_and_the_maximum_exactly():
    delays = Delays()
    for milliseconds in range(1, 1001):
        delays.add(milliseconds / 1000)
    assert delays.percentile(0.5) == pytest.approx(0.5, rel=0.05)
    assert delays.percentile(0.99) == pytest.approx(0.99, rel=0.05)
    assert delays.maximum == 1.0
    assert Delays().percentile(0.5) is None


def test_clocks_that_disagree_do_no_harm():
    delays = Delays()
    delays.add(-3.0)
    assert delays.percentile(0.5) is not None


def test_reports_add_up():
    first = ConsumerReport(
        "q", seconds=10, ended=Ended.IDLE, backlog=QueueAttributes(visible=3, in_flight=0, delayed=0)
    )
    first.count("A", Outcome.HANDLED)
    first.delays.add(0.1)
    second = ConsumerReport("q", seconds=20, ended=Ended.CIRCUIT_OPEN, service="visits")
    second.count("A", Outcome.HANDLED)
    second.count("B", Outcome.FAILED)
    second.delays.add(0.3)
    both = first + second
    assert both.by_event_type() == {"A": {"handled": 2}, "B": {"failed": 1}}
    assert (both.delays.buckets.total(), both.delays.maximum, both.seconds) == (2, 0.3, 20)
    assert (both.ended, both.service, both.ok) == (Ended.CIRCUIT_OPEN, "visits", False)
    assert (second + first).ended is Ended.CIRCUIT_OPEN


def test_metadata_is_flat_and_leaves_out_what_is_not_known():
    report = ConsumerReport("q", seconds=2.0, ended=Ended.IDLE)
    report.count("A", Outcome.HANDLED)
    metadata = report.as_metadata()
    assert metadata["handled"] == 1
    assert metadata["handled_per_second"] == 0.5
    assert metadata["ended"] == "idle"
    assert "backlog" not in metadata
    assert "delay_p50" not in metadata
