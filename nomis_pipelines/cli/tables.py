"""Tables for people: what became of a run."""

from rich.console import Console
from rich.table import Table

from nomis_pipelines.cli.launch import COUNTS, Result

LABELS = {"in_doubt": "in doubt", "busy": "busy elsewhere"}


def result_table(result: Result, console: Console | None = None) -> None:
    """Counts, reasons, rate and the verdict of each check, on standard error unless `console` is given."""
    console = console or Console(stderr=True)
    table = Table(title=f"{result.domain}: migration {result.migration_id or '(not started)'}", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name in COUNTS:
        count = result.counts.get(name, 0)
        if name == "busy" and not count:
            continue
        table.add_row(LABELS.get(name, name), str(count))
        for found in result.reasons:
            if found.state == name:
                table.add_row(f"  {found.reason}", str(found.count), style="dim")
    rate = (
        sum(result.counts.get(name, 0) for name in COUNTS if name != "estimated") / result.seconds
        if result.seconds
        else 0
    )
    table.add_row("seconds", f"{result.seconds:.1f}")
    table.add_row("records a second", f"{rate:.0f}")
    table.add_row("status", result.status)
    console.print(table)
    _verdicts(result, console)
    if result.error:
        console.print(f"[red]{result.error}", highlight=False)
    elif result.counts.get("estimated") and result.counts.get("skipped") == result.counts["estimated"]:
        console.print("Nothing was migrated: every record has its mapping already.")


def _verdicts(result: Result, console: Console) -> None:
    if not result.verdicts:
        return
    table = Table(title="checks")
    table.add_column("check", style="bold")
    table.add_column("verdict")
    table.add_column("found")
    for verdict in result.verdicts:
        word = "[green]passed" if verdict.passed else "[red]FAILED" if verdict.serious else "[yellow]warning"
        table.add_row(verdict.name, word, verdict.summary)
    console.print(table)
    for verdict in result.verdicts:
        if verdict.advice:
            console.print(f"{verdict.name}: {verdict.advice}", highlight=False)
