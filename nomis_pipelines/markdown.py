"""Tables for Dagster's metadata."""

from collections.abc import Mapping, Sequence


def as_markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; a column is whatever any row has."""
    import pandas as pd

    return pd.DataFrame.from_records([dict(row) for row in rows]).to_markdown(index=False) or ""
