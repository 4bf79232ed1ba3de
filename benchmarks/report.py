"""How a benchmark tells its figures: a table for people, one JSON line for programs."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def show(
    *,
    benchmark: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    ours: float,
    baselines: dict[str, float],
    less_is_better: bool = False,
    **more: Any,
) -> None:
    """Print the rows, and the ratio of ours to each baseline, above 1 where ours is better."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=100).print(table)
    ratios = {
        name: round(figure / ours if less_is_better else ours / figure, 2)
        for name, figure in baselines.items()
    }
    first = next(iter(baselines))
    line = {
        "benchmark": benchmark,
        "ratio": ratios[first],
        "ours": round(ours, 1),
        "baseline": round(baselines[first], 1),
        "baselines": {name: round(figure, 1) for name, figure in baselines.items()},
        "ratios": ratios,
        **more,
    }
    print(json.dumps(line), flush=True)
