"""Alerts in Dagster: sensors that see failed runs and failed checks, and the job that takes over when Slack is away.

A run-status sensor whose body raises loses its alert for ever, since its cursor moves on. So nothing here raises: an
alert that cannot be delivered at once is handed to the job `send_alert`, whose run waits, is retried by the daemon and
ends red if nobody can be told. What is said of a run is in `nomis_pipelines.failed_runs`.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.failed_runs import FailedCheck, FailedRun, check_alert, run_alert
from nomis_pipelines.migration.verdicts import ADVICE
from nomis_pipelines.observability.alerts import Alert, Alerter, Webhook

log = logging.getLogger(__name__)

JOB = "send_alert"
KEY_TAG = "nomis_pipelines/alert"
WINDOWS = "nomis_pipelines/alert_windows"
"""The key of the windows in Dagster's own key-value store: there whenever a sensor runs, whatever else is down."""

PATIENT_ATTEMPTS = 6
SECONDS = 5
"""Dagster hands a sensor five runs a tick; at fifteen seconds the runs of a big backfill would be told an hour late."""
REPEATS_SECONDS = 60
ALIVE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
         dg.DagsterRunStatus.STARTED]  # fmt: skip

_one_at_a_time = threading.Lock()  # sensors tick in threads, and the windows are one document


@dataclass(frozen=True, kw_only=True)
class AlertingDefs:
    """What alerts become in Dagster."""

    jobs: Sequence[dg.JobDefinition]
    sensors: Sequence[dg.SensorDefinition]


class InstanceWindows:
    """Windows in the store where Dagster's daemons keep their cursors: public methods, though not documented."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage: Any = instance.run_storage

    def load(self) -> str:
        """What was saved, or nothing."""
        return self._storage.get_cursor_values({WINDOWS}).get(WINDOWS, "")

    def save(self, text: str) -> None:
        """Keep."""
        self._storage.set_cursor_values({WINDOWS: text})


class AlertConfig(dg.Config):
    """An alert that is to be delivered."""

    key: str
    title: str
    facts: list[list[str]] = Field(default_factory=list[list[str]])
    link: str = ""
    command: str = ""

    def alert(self) -> Alert:
        """As a value."""
        facts = [(label, value) for label, value in self.facts]
        return Alert(key=self.key, title=self.title, facts=facts, link=self.link, command=self.command)


def build_alerting(domains: Sequence[Domain]) -> AlertingDefs:
    """The job `send_alert`, and the sensors of failed runs, failed checks and repeats."""
    job = _send_job()
    return AlertingDefs(
        jobs=[job],
        sensors=[
            _run_failures(domains, job),
            _check_failures(domains, job, dg.DagsterRunStatus.SUCCESS),
            _check_failures(domains, job, dg.DagsterRunStatus.FAILURE),
            _repeats(),
        ],
    )


def _send_job() -> dg.JobDefinition:
    @dg.op(name="send_an_alert")
    def send(context: dg.OpExecutionContext, config: AlertConfig) -> None:
        """Deliver an alert, with more patience than a sensor may have."""
        with _one_at_a_time:
            outcome = _alerter(context.instance, attempts=PATIENT_ATTEMPTS).send(config.alert())
        context.add_output_metadata({"outcome": str(outcome)})

    @dg.job(
        name=JOB,
        description="Delivers an alert that its sensor could not deliver. Started by the sensors.",
        tags={"dagster/max_retries": "10", "dagster/retry_on_asset_or_op_failure": "true"},
    )
    def send_alert() -> None:
        send.alias("send")()

    return send_alert


def _run_failures(domains: Sequence[Domain], job: dg.JobDefinition) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="run_failure_alerts",
        request_job=job,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="An alert for every run that failed and will not be retried.",
    )
    def run_failure_alerts(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if run.job_name == JOB:
            return dg.SkipReason("an alert could not be delivered: its run is red in the list of runs")
        if run.tags.get("dagster/will_retry") == "true":
            return dg.SkipReason(f"run {run.run_id} will be retried")
        return _tell(
            context.instance,
            run.run_id,
            lambda: run_alert(_described(run, _errors(context)), domains),
            Alert(key=f"run:{run.job_name}", title=f"{run.job_name} failed", facts=[("run", run.run_id)]),
        )

    return run_failure_alerts


def _check_failures(
    domains: Sequence[Domain], job: dg.JobDefinition, status: dg.DagsterRunStatus
) -> dg.SensorDefinition:
    name = "check_failure_alerts" + ("" if status is dg.DagsterRunStatus.SUCCESS else "_of_failed_runs")

    @dg.run_status_sensor(
        name=name,
        run_status=status,
        request_job=job,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"An alert for the failed checks of each run that ended as {status.value}.",
    )
    def check_failure_alerts(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        try:
            checks = list(failed_checks(context.instance, run.run_id))
        except Exception as error:
            log.exception("the checks of run %s cannot be read", run.run_id)
            facts = [("run", run.run_id), ("cause", type(error).__name__)]
            unread = Alert(key="checks:unread", title=f"the checks of {run.job_name} cannot be read", facts=facts)
            return _tell(context.instance, run.run_id, lambda: unread, unread)
        if not checks:
            return dg.SkipReason("no check failed")
        names = ", ".join(check.name for check in checks)
        return _tell(
            context.instance,
            run.run_id,
            lambda: check_alert(_described(run, ()), checks, domains),
            Alert(key=f"checks:{run.job_name}:{names}", title=f"checks failed: {names}", facts=[("run", run.run_id)]),
        )

    return check_failure_alerts


def _repeats() -> dg.SensorDefinition:
    @dg.sensor(
        name="alert_repeats",
        minimum_interval_seconds=REPEATS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells how often an alert was repeated, once its window is over.",
    )
    def alert_repeats(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        # may raise: the windows are still there at the next tick
        with _one_at_a_time:
            told = _alerter(context.instance).announce_repeats()
        return dg.SkipReason(f"{told} counts of repeats told")

    return alert_repeats


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[FailedCheck]:
    """The checks of a run that did not pass and are errors, not warnings."""
    cursor: str | None = None
    more = True
    while more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is None:
                continue
            found = event.asset_check_evaluation_data
            if not found.passed and found.severity is dg.AssetCheckSeverity.ERROR:
                advice = found.metadata.get(ADVICE)
                yield FailedCheck(
                    asset=found.asset_key.to_user_string(),
                    name=found.check_name,
                    summary=found.description or "",
                    advice=str(advice.value) if advice is not None else "",
                )
        cursor, more = page.cursor, page.has_more


def _tell(
    instance: dg.DagsterInstance, run_id: str, build: Callable[[], Alert], plain: Alert
) -> dg.RunRequest | dg.SkipReason:
    """Send an alert, or `plain` when it cannot be built; hand it over when it cannot be sent. Never raises."""
    try:
        alert = build()
    except Exception:
        log.exception("the alert of run %s could not be written in full", run_id)
        alert = plain
    try:
        with _one_at_a_time:
            return dg.SkipReason(f"alert {_alerter(instance).send(alert)}")
    except Exception as error:
        log.exception("the alert of run %s goes to the job %s", run_id, JOB)
        return _hand_over(instance, alert, error)


def _hand_over(instance: dg.DagsterInstance, alert: Alert, error: Exception) -> dg.RunRequest | dg.SkipReason:
    try:
        waiting = instance.get_runs(dg.RunsFilter(job_name=JOB, tags={KEY_TAG: alert.key}, statuses=ALIVE), limit=1)
    except Exception:
        log.exception("whether the same alert is waiting already cannot be read")
        waiting = []
    if waiting:
        return dg.SkipReason(f"the same alert is waiting in run {waiting[0].run_id}")
    config = AlertConfig(
        key=alert.key,
        title=alert.title,
        facts=[list(fact) for fact in alert.facts],
        link=alert.link,
        command=alert.command,
    )
    log.warning("alert %s could not be delivered: %s", alert.key, error)
    return dg.RunRequest(run_config=dg.RunConfig(ops={"send": config}), tags={KEY_TAG: alert.key})


def _alerter(instance: dg.DagsterInstance, attempts: int = 3) -> Alerter:
    from nomis_pipelines.settings import load_settings

    settings = load_settings()
    return Alerter(
        Webhook(settings.alert_webhook_url, attempts=attempts),
        InstanceWindows(instance),
        window_seconds=settings.alert_window_seconds,
        now=lambda: datetime.now(UTC),
    )


def _described(run: dg.DagsterRun, errors: Sequence[tuple[str, str]]) -> FailedRun:
    return FailedRun(
        run_id=run.run_id,
        job=run.job_name,
        partition=run.tags.get("dagster/partition"),
        attempts=int(run.tags.get("dagster/retry_number", "0")) + 1,
        assets=[key.path[-1] for key in sorted(run.asset_selection or ())],
        errors=errors,
    )


def _errors(context: dg.RunFailureSensorContext) -> list[tuple[str, str]]:
    """(class, words) of what failed, innermost of Dagster's wrapping: of each step, else of the run itself."""
    found = [event.step_failure_data.error for event in context.get_step_failure_events()]
    data = getattr(context.failure_event, "job_failure_data", None)
    if not any(found) and data is not None:
        found = [data.error]
    errors: list[tuple[str, str]] = []
    for error in filter(None, found):
        inner: Any = error
        while inner.cause is not None and (inner.cls_name or "").startswith("Dagster"):
            inner = inner.cause
        errors.append((inner.cls_name or "", inner.message.strip().partition(": ")[2]))
    return errors
