"""The output of the demo: tables and a bar in a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PLAIN_WIDTH = 100
PLAIN_STEP = 0.2  # The progress between two plain lines.
ESTIMATE_FROM = 0.25  # At less progress, estimates are far off.

Json = dict[str, Any]


class Screen:
    """The output of the demo, and its failed checks."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(
                highlight=False, width=PLAIN_WIDTH, file=self.console.file, no_color=True
            )
        self.failed: list[str] = []

    def title(self, text: str) -> None:
        self.console.print(f"\n[bold]{escape(text)}[/bold]")

    def line(self, text: str) -> None:
        self.console.print(f"  {escape(text)}", soft_wrap=True)

    def check(self, is_right: bool, text: str) -> None:
        mark = "[green]✓[/green]" if is_right else "[red]✗[/red]"
        self.console.print(f"  {mark} {escape(text)}", soft_wrap=True)
        if not is_right:
            self.failed.append(text)

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[Json], None]]:
        if self.console.is_terminal:
            with Progress(
                TextColumn(f"  {escape(label)}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[status]}"),
                TimeElapsedColumn(),
                console=self.console,
            ) as bar:
                task = bar.add_task(label, total=1.0, status="")
                yield lambda job: bar.update(
                    task, completed=job["progress"], status=escape(describe_progress(job))
                )
        else:
            yield self._plain_progress(label)

    def _plain_progress(self, label: str) -> Callable[[Json], None]:
        last: tuple[str, float] = ("", -1.0)

        def show(job: Json) -> None:
            nonlocal last
            status, progress = job["status"], job["progress"]
            if status != last[0] or progress >= last[1] + PLAIN_STEP:
                last = (status, progress)
                self.line(f"{label} {progress:4.0%} {describe_progress(job)}")

        return show

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        table = Table(*columns, pad_edge=True, expand=False)
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        self.console.print(table)

    def transcript(self, segments: Sequence[Json]) -> None:
        rows = [
            (
                f"{format_time(segment['start_ms'])} – {format_time(segment['end_ms'])}",
                segment["speaker"],
                segment["edited_text"] or segment["text"],
            )
            for segment in segments
        ]
        self.table(("Time", "Speaker", "Text"), rows)

    def evidence(self, pieces: Sequence[Json]) -> None:
        """Show where in a film an answer can be seen or heard."""
        rows = [
            (
                f"{format_time(piece['start_ms'])} – {format_time(piece['end_ms'])}",
                piece["kind"],
                piece["detail"],
            )
            for piece in pieces
        ]
        self.table(("Time", "Kind", "Evidence"), rows)

    def transactions(self, rows: Sequence[Json]) -> None:
        self.table(
            ("Type", "Amount", "Balance", "Description"),
            [
                (row["type"], f"{row['amount']:+d}", row["balance_after"], row["description"])
                for row in rows
            ],
        )


def describe_progress(job: Json) -> str:
    """Return a job's status, queue position, estimated end, and the reason of a restart."""
    words = [job["status"]]
    if position := job.get("queue_position"):
        words.append(f"place {position}")
    end = job.get("estimated_end_at")
    if end and job.get("progress", 0.0) >= ESTIMATE_FROM:
        remaining = datetime.fromisoformat(end) - datetime.now(UTC)
        words.append(f"about {max(1, round(remaining.total_seconds()))} s left")
    if reason := job.get("restarted"):
        words.append(reason)
    return ", ".join(words)


def format_time(milliseconds: int) -> str:
    """Return a time as minutes, seconds and tenths."""
    tenths = milliseconds // 100
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
