"""The list of decisions, by the first lines of their pages."""

from pathlib import Path

from auteur.help.links import ROOT

FOLDER = ROOT / "docs" / "decisions"
INTRO = """# Decisions

Each page says in which situation a decision was made, what follows from it, and which alternatives
were rejected. How the system works now: [architecture](../architecture.md) and the design pages.

| decision | date | status |
|---|---|---|"""


def list_paths() -> list[str]:
    """Return the paths of the decisions on the site, in order."""
    return [f"decisions/{page.name}" for page in _list_pages()]


def build_index() -> str:
    """Return the page that lists all decisions, with their dates and statuses."""
    lines = [INTRO]
    for page in _list_pages():
        heading, _, status_line, *_ = page.read_text().splitlines()
        title = heading.removeprefix("# ")
        date, status = status_line.removeprefix("Date: ").split(" · Status: ")
        lines.append(f"| [{title}]({page.name}) | {date} | {status} |")
    return "\n".join([*lines, ""])


def _list_pages() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*.md"))
