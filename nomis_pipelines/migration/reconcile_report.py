"""A reconciliation as people see it: a verdict, a picture, tables, an HTML page on disk. Only ids and counts."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nomis_pipelines.migration.reconciliation import EARLIER, EXPLAINED, Cell, Reconciliation, Standing
from nomis_pipelines.migration.verdicts import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECK = "reconciled"
SAMPLE = 20
MOST_CELLS = 50

ADVICE = {
    Standing.NEVER_MIGRATED: "nomis-pipelines migrate {domain}, for the prisons and months that the report names",
    # a migration would write to DPS again what DPS still has
    Standing.LOST: "the mapping service's table was reset: see the runbook, Mapping reset, before {domain} is migrated",
    Standing.UNMAPPED: "nomis-pipelines mappings retry {domain}",
    Standing.FAILED: "nomis-pipelines failures {domain}",
    Standing.IN_DOUBT: "nomis-pipelines in-doubt list {domain}",
    Standing.DISAGREES: "look both DPS ids up in DPS: one of them may be surplus",
    Standing.SURPLUS: "look whether NOMIS deleted them, then delete the DPS records",
    Standing.NOT_ASKED: "reconcile again: the mapping service did not answer",
    Standing.BUSY: "a migration is at it: reconcile again when it has ended",
}


def verdict(found: Reconciliation) -> Verdict:
    """What was found, in a sentence; serious as soon as one record stands wrong for no known reason."""
    totals = found.totals()
    wrong = {standing: totals[standing] for standing in Standing if totals[standing] and standing not in EXPLAINED}
    words = [f"{count} {standing.value.replace('_', ' ')}" for standing, count in wrong.items()]
    explained = [
        f"{totals[standing]} {standing.value}"
        for standing in (Standing.REJECTED, Standing.DISMISSED)
        if totals[standing]
    ]
    parts = [f"NOMIS has {found.in_nomis}, {totals[Standing.MAPPED]} are mapped", *words, *explained]
    return Verdict(
        name=CHECK,
        passed=not wrong and found.complete,
        summary=", ".join(parts) + ("" if found.complete else "; stopped before the end"),
        count=sum(wrong.values()),
        advice="; ".join(ADVICE[standing].format(domain=found.domain) for standing in wrong),
        serious=bool(wrong),
        rows=[example.as_row() for standing in wrong for example in found.examples_of(standing, SAMPLE)],
    )


def cell_rows(cells: Mapping[Cell, Counter[Standing]], most: int) -> list[dict[str, str]]:
    """Cells as rows of a table, the fullest of differences first."""

    def differences(counts: Counter[Standing]) -> int:
        return sum(count for standing, count in counts.items() if standing not in EXPLAINED)

    worst = sorted(cells.items(), key=lambda item: (-differences(item[1]), item[0]))[:most]
    used = [standing for standing in Standing if any(counts[standing] for _, counts in worst)]
    return [
        {"prison": prison, "month": month, **{standing.value: str(counts[standing]) for standing in used}}
        for (prison, month), counts in worst
    ]


def completeness(found: Reconciliation) -> "tuple[list[str], list[str], NDArray[Any]]":
    """Prisons, months, and the share of each cell's records that are mapped, in percent (NaN where none are)."""
    import numpy as np

    filled = {cell: counts for cell, counts in found.cells.items() if _in_nomis(counts)}
    prisons = sorted({prison for prison, _ in filled})
    present = sorted({month for _, month in filled if month != EARLIER})
    between = [month for month in found.months if month != EARLIER and present and present[0] <= month <= present[-1]]
    months = [EARLIER, *between] if any(month == EARLIER for _, month in filled) else between
    grid = np.full((len(prisons), len(months)), np.nan)
    rows, columns = {p: n for n, p in enumerate(prisons)}, {m: n for n, m in enumerate(months)}
    for (prison, month), counts in filled.items():
        grid[rows[prison], columns[month]] = 100 * counts[Standing.MAPPED] / _in_nomis(counts)
    return prisons, months, grid


def picture(found: Reconciliation) -> bytes:
    """The completeness of each prison and month as a heat map (PNG); empty when NOMIS has no record."""
    prisons, months, grid = completeness(found)
    if not prisons or not months:
        return b""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = min(max(6.0, 1.8 + 0.16 * len(months)), 24.0)
    height = min(max(2.2, 1.4 + 0.2 * len(prisons)), 24.0)
    # a figure of its own, not pyplot's: that would keep a window system and every figure until the process ends
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("#eeeeee")
    # no red and green, which not everybody can tell apart
    image = axes.imshow(grid, aspect="auto", interpolation="nearest", vmin=0, vmax=100, cmap="viridis")
    _label(axes.set_xticks, months, most=24)
    axes.tick_params(axis="x", labelrotation=90)
    _label(axes.set_yticks, [prison or "all" for prison in prisons], most=120)
    axes.tick_params(labelsize=7)
    axes.set_title(f"{found.domain}: mapped records in percent", fontsize=10, loc="left")
    figure.colorbar(image, ax=axes, shrink=0.8)
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=80)
    return stream.getvalue()


def _label(set_ticks: Any, labels: Sequence[str], most: int) -> None:
    step = next((each for each in (1, 2, 3, 6, 12, 24) if len(labels) <= each * most), 60)
    set_ticks(range(0, len(labels), step), labels=list(labels)[::step])


def page(found: Reconciliation, png: bytes, now: datetime) -> str:
    """The report as one HTML page that needs no other file."""
    from base64 import b64encode

    judged = verdict(found)
    image = f'<img alt="completeness" src="data:image/png;base64,{b64encode(png).decode()}">' if png else ""
    scope = found.scope
    asked = ", ".join(
        filter(None, [", ".join(scope.prisons), f"from {scope.from_month}" if scope.from_month else "",
                      f"to {scope.to_month}" if scope.to_month else ""])
    )  # fmt: skip
    totals = found.totals()
    counts = [
        {"standing": standing.value, "records": str(totals[standing])} for standing in Standing if totals[standing]
    ]
    examples = [example.as_row() for example in found.examples]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Reconciliation of {html.escape(found.domain)}</title>
<style>
body {{ font: 14px system-ui, sans-serif; margin: 2em; color: #0b0c0c }}
table {{ border-collapse: collapse; margin: 1em 0 }}
td, th {{ border: 1px solid #b1b4b6; padding: 2px 8px; text-align: left }}
img {{ max-width: 100% }}
</style></head><body>
<h1>Reconciliation of {html.escape(found.domain)}</h1>
<p>{now:%Y-%m-%d %H:%M} UTC, {html.escape(asked or "everything")}, {found.seconds:.0f} seconds</p>
<p><strong>{"In order" if judged.passed else "Not in order"}.</strong> {html.escape(judged.summary)}</p>
<p>{html.escape(judged.advice)}</p>
{_table(counts)}
{image}
<h2>Where they differ</h2>
{_table(cell_rows(found.different(), MOST_CELLS * 20))}
<h2>Which they are</h2>
{_table(examples)}
</body></html>
"""


def write(found: Reconciliation, png: bytes, directory: Path, now: datetime) -> Path:
    """Write the page into `directory`, which is made when it is not there; where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"reconcile-{found.domain}-{now:%Y%m%dT%H%M%S}.html"
    path.write_text(page(found, png, now), encoding="utf-8")
    return path


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row.values()) + "</tr>\n" for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _in_nomis(counts: Counter[Standing]) -> int:
    return sum(count for standing, count in counts.items() if standing is not Standing.SURPLUS)
