"""What is said of a failed run, without Dagster: what failed, where, how many records, where to look, what helps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.observability.alerts import Alert

LONGEST_WORDS = 300
_DIGITS = re.compile(r"\d+")
_SHOWN = re.compile(r", \d+ shown$")
"""Said of the table beside a check, which an alert has not."""

# Errors that are ours, or were written by us into Dagster's: their words hold ids, states and settings only. Of any
# other error only the class is told, since its words may quote a record.
SPEAKING = frozenset(
    {
        "AuthError", "CircuitOpen", "Conflict", "InvalidAnswer", "NotFound", "OutcomeUnknown", "Rejected",
        "Unavailable",
        "LedgerError", "LedgerUnavailable", "SchemaOutOfDate", "SettingError", "FilterError", "PartitionError",
        "PageSizeRefused", "QueueError", "QueueMissing", "UnknownQueue", "Failure",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A run as its tags and events tell it. `errors` are (class, words); `attempts` counts retries in."""

    run_id: str
    job: str
    partition: str | None = None
    attempts: int = 1
    assets: Sequence[str] = ()
    errors: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class FailedCheck:
    """A check that failed: its summary holds counts, its advice what to do."""

    asset: str
    name: str
    summary: str
    advice: str


def run_alert(run: FailedRun, domains: Sequence[Domain]) -> Alert:
    """The alert of a failed run. Repeats are the same job failing of the same cause."""
    cause = _cause(run.errors)
    domain, migration_id, records = _progress(run, domains)
    retried = f" ({run.attempts} attempts)" if run.attempts > 1 else ""
    return Alert(
        key=f"run:{run.job}:{_DIGITS.sub('#', cause)}",
        title=f"{_what(run)} failed{retried}",
        facts=[("where", _where(run, migration_id)), ("cause", cause), ("records", records)],
        link=_link(run),
        command=_help(run, domain, migration_id),
    )


def check_alert(run: FailedRun, checks: Sequence[FailedCheck], domains: Sequence[Domain]) -> Alert:
    """The alert of a run's failed checks, in one message. Repeats are the same checks of the same asset."""
    names = ", ".join(sorted(check.name for check in checks))
    assets = ", ".join(dict.fromkeys(check.asset for check in checks))
    _, migration_id, records = _progress(run, domains)
    advice = dict.fromkeys(check.advice for check in checks if check.advice)
    return Alert(
        key=f"checks:{assets}:{names}",
        title=f"{assets}: {'check' if len(checks) == 1 else 'checks'} failed: {names}",
        facts=[
            *((check.name, _SHOWN.sub("", check.summary)) for check in checks),
            ("where", _where(run, migration_id)),
            ("records", records),
        ],
        link=_link(run),
        command="; ".join(advice),
    )


def _what(run: FailedRun) -> str:
    # Dagster's own name for the job of a backfill tells nobody anything
    return f"materialising {', '.join(run.assets)}" if run.job.startswith("__") and run.assets else run.job


def _where(run: FailedRun, migration_id: str | None) -> str:
    parts = [
        f"job {run.job}",
        f"partition {run.partition}" if run.partition else "",
        f"migration {migration_id}" if migration_id else "",
    ]
    return ", ".join(filter(None, parts))


def _cause(errors: Sequence[tuple[str, str]]) -> str:
    causes = dict.fromkeys(
        f"{kind}: {' '.join(words.split())[:LONGEST_WORDS]}" if kind in SPEAKING and words else kind
        for kind, words in errors
    )
    return "; ".join(causes) or "the run's process ended without a word"


def _link(run: FailedRun) -> str:
    from nomis_pipelines.settings import load_settings

    return f"{load_settings().ui_url}/runs/{run.run_id}"


def _progress(run: FailedRun, domains: Sequence[Domain]) -> tuple[Domain | None, str | None, str]:
    """The domain, the migration and the counts of a run, as far as the ledger can be asked."""
    from nomis_pipelines.ledger import LedgerError, LedgerReader
    from nomis_pipelines.settings import load_settings

    domain = next((each for each in domains if each.name in run.assets or _is_job_of(run.job, each.name)), None)
    if domain is None:
        return None, None, ""
    try:
        with LedgerReader(load_settings().database_url) as reader:
            progress = reader.latest_progress(domain.name, run_id=run.run_id)
    except LedgerError:
        return domain, None, "unknown, the ledger cannot be asked"
    if progress is None:
        return domain, None, ""
    counts = {
        "migrated": progress.migrated, "skipped": progress.skipped, "rejected": progress.rejected,
        "failed": progress.failed, "in doubt": progress.in_doubt, "unmapped": progress.unmapped,
        "duplicates": progress.duplicates,
    }  # fmt: skip
    words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    done = f"{progress.processed} of {progress.estimated} done" + (f": {words}" if words else "")
    return domain, progress.migration_id, done


def _is_job_of(job: str, name: str) -> bool:
    own = {f"{verb}_{name}" for verb in ("migrate", "retry_failed", "synchronise", "reconcile")}
    return job in own or job == f"migrate_{name}_by_filter" or job.startswith(f"repair_{name}_")


def _help(run: FailedRun, domain: Domain | None, migration_id: str | None) -> str:
    name = domain.name if domain is not None else ""
    match run.job.split("_")[0]:
        case "synchronise":
            return "nomis-pipelines queues list; the sensor starts the next consumer by itself"
        case "retry" if run.job.startswith("retry_failed"):
            return f"nomis-pipelines failures {name}"
        case "retry" if run.job == "retry_mappings":
            return "nomis-pipelines mappings retry"
        case "retry":
            return "nomis-pipelines queues list"
        case "resolve":
            return "nomis-pipelines duplicates list"
        case "migrate" | "":
            look = f"nomis-pipelines status {migration_id}; " if migration_id else ""
            return f"{look}mend the cause and start it again: what is mapped is skipped"
        case _:
            return "mend the cause and start it again"
