"""Print results to standard output, and everything else to standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import Job


WIDE = 200
"""The width of tables that are not printed to a terminal."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, which names written by others must not send to a terminal."""
PLAIN_STEP = 0.1
"""The progress between two lines if there is no terminal."""


@dataclass
class Screen:
    """The output of one command."""

    as_json: bool = False
    hint: str = ""
    """How to continue after Ctrl-C."""
    out: Console = field(default_factory=lambda: _build_console(sys.stdout))
    err: Console = field(default_factory=lambda: _build_console(sys.stderr))

    def say(self, text: str) -> None:
        """Print a message to standard error."""
        self.err.print(escape_text(text))

    def line(self, text: str) -> None:
        """Print a line of the result."""
        self.out.print(escape_text(text))

    def fail(self, text: str, document: dict[str, Any]) -> None:
        """Print the error of a command without a result."""
        self.say(f"Error: {text}")
        if self.as_json:
            self.show({"error": document}, "")

    def show(self, data: Any, text: Callable[[], object] | str) -> None:
        """Print the result: as one line of JSON, or as text."""
        if self.as_json:
            json.dump(data, sys.stdout, default=str)
            sys.stdout.write("\n")
            sys.stdout.flush()
        elif isinstance(text, str):
            self.line(text)
        else:
            text()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows as a table, or a message if there are none."""
        if not rows:
            self.say("None.")
            return
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(escape_text("" if cell is None else str(cell)) for cell in row))
        self.out.print(table, soft_wrap=False)

    @contextmanager
    def bytes(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """Show the progress of a transfer in bytes while the context lasts."""
        columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with self._bar(label, columns) as update:
            yield lambda done, total: update(done, total, "")

    @contextmanager
    def job(self, label: str) -> Iterator[Callable[[Job], None]]:
        """Show the progress of a job while the context lasts."""
        with self._bar(label, (TextColumn("{task.fields[status]}"),)) as update:
            yield lambda job: update(job.progress, 1.0, format_status(job))

    @contextmanager
    def _bar(
        self, label: str, columns: Sequence[ProgressColumn]
    ) -> Iterator[Callable[[float, float, str], None]]:
        if not self.err.is_terminal:
            yield self._print_lines(label)
            return
        text = TextColumn(escape_text(label))
        with Progress(text, BarColumn(), *columns, console=self.err) as bar:
            task = bar.add_task(label, total=None, status="")
            yield lambda done, total, status: bar.update(
                task, completed=done, total=total or None, status=escape_text(status)
            )

    def _print_lines(self, label: str) -> Callable[[float, float, str], None]:
        printed = ("", -1.0)

        def show(done: float, total: float, status: str) -> None:
            nonlocal printed
            share = done / total if total else 0.0
            word = status.partition(",")[0]
            if word != printed[0] or share >= printed[1] + PLAIN_STEP or share == 1.0 > printed[1]:
                printed = (word, share)
                self.say(f"{label} {share:4.0%} {status}".rstrip())

        return show


def escape_text(text: str) -> str:
    """Return the text without what Rich or a terminal would execute."""
    return escape(CONTROLS.sub("", text))


def _build_console(file: IO[str]) -> Console:
    """Return a console; if a program reads its output, no line is wrapped."""
    width = None if file.isatty() else WIDE
    return Console(
        file=file, width=width, highlight=False, soft_wrap=True, markup=True, emoji=False
    )


def format_status(job: Job) -> str:
    """Return a job's status, its place in the queue, and why it was restarted."""
    words = [str(job.status)]
    if job.queue_position:
        words.append(f"place {job.queue_position}")
    if job.restarted:
        words.append(job.restarted)
    return ", ".join(words)
