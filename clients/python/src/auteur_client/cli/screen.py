"""What is shown: data on standard output, all else on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

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

from auteur_client.api.models import Job

PLAIN_STEP = 0.1
"""Of progress, between two lines where there is no terminal."""


@dataclass
class Screen:
    """How one command talks to its user."""

    as_json: bool = False
    hint: str = ""
    """How to go on after Ctrl-C."""
    out: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    err: Console = field(
        default_factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True)
    )

    def say(self, text: str) -> None:
        """To the person, not to the program behind a pipe."""
        self.err.print(escape(text))

    def show(self, data: Any, text: Callable[[], object] | str) -> None:
        """The result: as JSON, or as it reads well."""
        if self.as_json:
            json.dump(data, sys.stdout, default=str, ensure_ascii=False)
            sys.stdout.write("\n")
        elif isinstance(text, str):
            self.out.print(escape(text))
        else:
            text()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows, or a word where there are none."""
        if not rows:
            self.out.print("none")
            return
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
        self.out.print(table)

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
        text = TextColumn(escape(label))
        with Progress(text, BarColumn(), *columns, console=self.err) as bar:
            task = bar.add_task(label, total=None, status="")
            yield lambda done, total, status: bar.update(
                task, completed=done, total=total or None, status=escape(status)
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


def standing(job: Job) -> str:
    """A job's status, with its place in the queue and why it starts over."""
    words = [str(job.status)]
    if job.queue_position:
        words.append(f"place {job.queue_position}")
    if job.restarted:
        words.append(job.restarted)
    return ", ".join(words)


def dicts(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Models as JSON has them."""
    return [row.to_dict() for row in rows]
