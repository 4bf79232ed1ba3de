"""Markdown from plain values."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

MS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what is in its cells is Markdown."""
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines) + "\n\n"


def _row(cells: Sequence[object]) -> str:
    told = (str(cell).replace("\n", " ").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(told)} |"


def shown(value: Any) -> str:
    """A value as JSON in a block of code."""
    return fenced("json", json.dumps(value, indent=2, ensure_ascii=False))


def fenced(language: str, code: str) -> str:
    """A block of code."""
    return f"```{language}\n{code.strip()}\n```\n\n"


def tabs(by_title: dict[str, str]) -> str:
    """Blocks side by side."""
    return "".join(
        f'=== "{title}"\n\n' + "".join(f"    {line}\n" for line in text.strip().splitlines()) + "\n"
        for title, text in by_title.items()
    )


def duration(milliseconds: int) -> str:
    """A length of time in the units that it has."""
    parts = []
    for size, unit in MS:
        number, milliseconds = divmod(milliseconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts) or "0 s"
