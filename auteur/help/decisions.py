"""The list of decisions, by the headings of their pages."""

from pathlib import Path

from auteur.help.links import ROOT

FOLDER = ROOT / "docs" / "decisions"
INTRO = "Why it is so: each on one screen, in the order in which they were taken."


def paths() -> list[str]:
    """Their places on the site, in order."""
    return [f"decisions/{page.name}" for page in _pages()]


def index() -> str:
    """The page that names them all."""
    lines = [f"- [{_heading(page)}]({page.name})" for page in _pages()]
    return "\n".join(["# Decisions", "", INTRO, "", *lines, ""])


def _pages() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*.md"))


def _heading(page: Path) -> str:
    first, *_ = page.read_text().splitlines()
    return first.removeprefix("# ").replace(". ", "\\. ", 1)
