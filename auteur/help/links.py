"""Links as the repository has them, made into links of the site; none of them is broken."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve

from auteur.api.problem_pages import described
from gpu_tasks.runtime.errors import AuteurError

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs/"
DECISIONS = "docs/decisions"
LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<to>[^()\s]+)\)")
CODE = re.compile(r"^(?P<fence>[`~]{3,}).*?^(?P=fence)|`+[^`\n]+`+", re.DOTALL | re.MULTILINE)
"""Of Markdown, what is shown as it is."""


class BrokenLinkError(AuteurError):
    """A link to what is not there."""


def of_site(markdown: str, source: str, place: str, taken_in: Mapping[str, str]) -> str:
    """A page's text with links of the site.

    ``source`` is where it lies in the repository, ``place`` where on the site; ``taken_in`` has the
    places of pages beside `docs/`. Raises ``BrokenLinkError``.
    """
    places = {path: where for where, path in taken_in.items()}

    def replaced(found: re.Match[str]) -> str:
        text, to = found["text"], found["to"]
        leads = urlsplit(to)
        if leads.scheme or to.startswith("#"):
            return found[0]
        if to.startswith("/"):
            _check_address(to)
            return found[0]
        target = _target(source, leads.path)
        if target not in places and not target.startswith(DOCS):
            return text
        where = places.get(target, target.removeprefix(DOCS))
        anchor = f"#{leads.fragment}" if leads.fragment else ""
        return f"[{text}]({os.path.relpath(where, Path(place).parent)}{anchor})"

    return "".join(
        part if is_code else LINK.sub(replaced, part) for is_code, part in _parts(markdown)
    )


def _parts(markdown: str) -> list[tuple[bool, str]]:
    """The text in pieces, each with whether it is code.

    Code within a link's text is part of the link.
    """
    parts, end = [], 0
    links = [found.span() for found in LINK.finditer(markdown)]
    for found in CODE.finditer(markdown):
        if any(begin < found.start() < stop for begin, stop in links):
            continue
        parts += [(False, markdown[end : found.start()]), (True, found[0])]
        end = found.end()
    return [*parts, (False, markdown[end:])]


def _target(source: str, path: str) -> str:
    """Where in the repository a relative link leads; pages that are made have their own places."""
    target = os.path.normpath(Path(source).parent / path)
    if target == DECISIONS:
        return f"{DECISIONS}/index.md"
    is_made = target.startswith(DOCS) and target.endswith(".md")  # MkDocs knows whether it is
    if not is_made and not (ROOT / target).exists():
        raise BrokenLinkError(f"{path} is not in the repository")
    return target


def _check_address(address: str) -> None:
    """An address of the stack, which answers there."""
    leads = urlsplit(address)
    try:
        resolve(leads.path)
    except Resolver404 as exc:
        raise BrokenLinkError(f"{address} is no address of the stack") from exc
    codes = {"", *(one.code for one in described())}
    if leads.path == "/problems" and leads.fragment not in codes:
        raise BrokenLinkError(f"{address}: there is no such problem")
