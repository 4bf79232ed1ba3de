"""The list of decisions, by the headings of their pages."""

from pathlib import Path

from auteur.help.links import ROOT

FOLDER = ROOT / "docs" / "decisions"
INTRO = "The reasons for the design, one page each, in chronological order."


def list_paths() -> list[str]:
    """Return the paths of the decisions on the site, in order."""
    return [f"decisions/{page.name}" for page in _list_pages()]


def build_index() -> str:
    """Return the page that lists all decisions."""
    lines = [f"- [{_read_heading(page)}]({page.name})" for page in _list_pages()]
    return "\n".join(["# Decisions", "", INTRO, "", *lines, ""])


def _list_pages() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*.md"))


def _read_heading(page: Path) -> str:
    first, *_ = page.read_text().splitlines()
    return first.removeprefix("# ").replace(". ", "\\. ", 1)
