"""Print the figures of a benchmark: a table for people, one JSON line for programs.

The last recorded figures are in ``docs/benchmarks.json``, each with its commit, day and machine,
and are printed beside each ratio. `python -m benchmarks --record` writes them.
"""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs" / "benchmarks.json"
RECORD = "BENCHMARK_RECORD"
"""The environment variable that makes each benchmark record its figures."""
WIDTH = 100


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
    """Print the rows, and the ratio of ours to each baseline: above 1 if ours is better."""
    console = Console(width=WIDTH)
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)
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
    if before := read_records().get(benchmark):
        console.print(_change(ratios, before))
    if os.environ.get(RECORD):
        write_record(line)
    print(json.dumps(line), flush=True)


def read_records() -> dict[str, Any]:
    """Return the figures that were recorded last, by benchmark."""
    return dict(json.loads(RECORDS.read_text())) if RECORDS.exists() else {}


def write_record(line: Mapping[str, Any]) -> None:
    """Replace the recorded figures of one benchmark."""
    all_records = read_records() | {
        str(line["benchmark"]): {
            "commit": _commit(),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": _machine(),
            "line": dict(line),
        }
    }
    RECORDS.write_text(json.dumps(all_records, indent=1, sort_keys=True) + "\n")


def _change(ratios: Mapping[str, float], before: Mapping[str, Any]) -> Table:
    """Return a table of the ratios beside the recorded ones."""
    was = before["line"]["ratios"]
    then_and_there = f"at {before['commit']}, {before['date']}"
    table = Table("ours to", "now", then_and_there, "change", caption=f"then: {before['machine']}")
    for name, ratio in ratios.items():
        then = was.get(name)
        cells = ("", "") if then is None else (f"{then:.2f}", format_change(then, ratio))
        table.add_row(name, f"{ratio:.2f}", *cells)
    return table


def format_change(then: float, now: float) -> str:
    """Return the change in percent."""
    return f"{now / then - 1:+.0%}" if then else ""


def _commit() -> str:
    """Return the short name of the commit, with a + if files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _machine() -> str:
    cpus = Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []
    model = next((row.partition(":")[2].strip() for row in cpus if row[:10] == "model name"), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores ({model or platform.machine()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}"
    )
