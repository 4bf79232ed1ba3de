"""Format plain values as Markdown."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

MS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def format_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table. The text of its cells is Markdown."""
    lines = [_format_row(head), _format_row(["---"] * len(head)), *map(_format_row, rows)]
    return "\n".join(lines) + "\n\n"


def _format_row(cells: Sequence[object]) -> str:
    escaped_cells = (str(cell).replace("\n", " ").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped_cells)} |"


def format_json(value: Any) -> str:
    """Return a value as JSON in a block of code."""
    return format_code("json", json.dumps(value, indent=2, ensure_ascii=False))


def format_code(language: str, code: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{code.strip()}\n```\n\n"


def format_tabs(by_title: dict[str, str]) -> str:
    """Return blocks as tabs."""
    return "".join(
        f'=== "{title}"\n\n' + "".join(f"    {line}\n" for line in text.strip().splitlines()) + "\n"
        for title, text in by_title.items()
    )


def format_duration(milliseconds: int) -> str:
    """Return a length of time, in all units that it has."""
    parts = []
    for size, unit in MS:
        number, milliseconds = divmod(milliseconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts) or "0 s"
