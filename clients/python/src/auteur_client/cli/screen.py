"""What is shown: data on standard output, all else on standard error."""

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
"""Columns of a table that no person sees."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What names of others must not tell a terminal to do."""
PLAIN_STEP = 0.1
"""Of progress, between two lines where there is no terminal."""


@dataclass
class Screen:
    """How one command talks to its user."""

    as_json: bool = False
    hint: str = ""
    """How to go on after Ctrl-C."""
    out: Console = field(default_factory=lambda: _console(sys.stdout))
    err: Console = field(default_factory=lambda: _console(sys.stderr))

    def say(self, text: str) -> None:
        """To the person, not to the program behind a pipe."""
        self.err.print(harmless(text))

    def line(self, text: str) -> None:
        """A line of the result."""
        self.out.print(harmless(text))

    def fail(self, text: str, document: dict[str, Any]) -> None:
        """Why there is no result."""
        self.say(f"Error: {text}")
        if self.as_json:
            self.show({"error": document}, "")

    def show(self, data: Any, text: Callable[[], object] | str) -> None:
        """The result: as JSON in one line, or as it reads well."""
        if self.as_json:
            json.dump(data, sys.stdout, default=str)
            sys.stdout.write("\n")
            sys.stdout.flush()
        elif isinstance(text, str):
            self.line(text)
        else:
            text()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows, or a word where there are none."""
        if not rows:
            self.say("None.")
            return
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(harmless("" if cell is None else str(cell)) for cell in row))
        self.out.print(table, soft_wrap=False)

    @contextmanager
    def bytes(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """A bar of bytes that move."""
        columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with self._bar(label, columns) as update:
            yield lambda done, total: update(done, total, "")

    @contextmanager
    def job(self, label: str) -> Iterator[Callable[[Job], None]]:
        """A bar of a job."""
        with self._bar(label, (TextColumn("{task.fields[status]}"),)) as update:
            yield lambda job: update(job.progress, 1.0, standing(job))

    @contextmanager
    def _bar(
        self, label: str, columns: Sequence[ProgressColumn]
    ) -> Iterator[Callable[[float, float, str], None]]:
        if not self.err.is_terminal:
            yield self._plain(label)
            return
        text = TextColumn(harmless(label))
        with Progress(text, BarColumn(), *columns, console=self.err) as bar:
            task = bar.add_task(label, total=None, status="")
            yield lambda done, total, status: bar.update(
                task, completed=done, total=total or None, status=harmless(status)
            )

    def _plain(self, label: str) -> Callable[[float, float, str], None]:
        shown = ("", -1.0)

        def show(done: float, total: float, status: str) -> None:
            nonlocal shown
            share = done / total if total else 0.0
            word = status.partition(",")[0]
            if word != shown[0] or share >= shown[1] + PLAIN_STEP or share == 1.0 > shown[1]:
                shown = (word, share)
                self.say(f"{label} {share:4.0%} {status}".rstrip())

        return show


def harmless(text: str) -> str:
    """Text as it is, which neither Rich nor a terminal reads as commands."""
    return escape(CONTROLS.sub("", text))


def _console(file: IO[str]) -> Console:
    """One that breaks no line where a program reads it."""
    width = None if file.isatty() else WIDE
    return Console(
        file=file, width=width, highlight=False, soft_wrap=True, markup=True, emoji=False
    )


def standing(job: Job) -> str:
    """A job's status, with its place in the queue and why it starts over."""
    words = [str(job.status)]
    if job.queue_position:
        words.append(f"place {job.queue_position}")
    if job.restarted:
        words.append(job.restarted)
    return ", ".join(words)
