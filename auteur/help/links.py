"""Rewrite links of the repository for the site, and check that none is broken."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve

from auteur.core.api.problem_pages import list_problems
from gpu_tasks.runtime.errors import AuteurError

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs/"
DECISIONS = "docs/decisions"
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<to>[^()\s]+)\)")
CODE = re.compile(r"^(?P<fence>[`~]{3,}).*?^(?P=fence)|`+[^`\n]+`+", re.DOTALL | re.MULTILINE)
"""The parts of Markdown that are shown verbatim."""


class BrokenLinkError(AuteurError):
    """A link to a page or file that does not exist."""


def rewrite_links(
    markdown: str, source: str, page_path: str, outside_pages: Mapping[str, str]
) -> str:
    """Return the Markdown of a page with its links and pictures rewritten for the site.

    ``source`` is the path of the page in the repository, ``page_path`` its path on the site.
    ``outside_pages`` maps paths on the site to those of pages outside of `docs/`. Raise
    ``BrokenLinkError``.
    """
    site_paths = {path: site_path for site_path, path in outside_pages.items()}

    def rewrite(link: re.Match[str]) -> str:
        text, url = link["text"], urlsplit(link["to"])
        if url.scheme or link["to"].startswith("#"):
            return link[0]
        if link["to"].startswith("/"):
            _check_address(link["to"])
            return link[0]
        target = _resolve_target(source, url.path)
        if target not in site_paths and not target.startswith(DOCS):
            if link["image"]:
                raise BrokenLinkError(f"The picture {link['to']} must be in docs/")
            return text
        site_path = site_paths.get(target, target.removeprefix(DOCS))
        path = os.path.relpath(site_path, Path(page_path).parent)
        anchor = f"#{url.fragment}" if url.fragment else ""
        return f"{link['image']}[{text}]({path}{anchor})"

    return "".join(
        part if is_code else LINK.sub(rewrite, part) for is_code, part in _split_code(markdown)
    )


def _split_code(markdown: str) -> list[tuple[bool, str]]:
    """Return the text in pieces, each with True if it is code.

    Code within a link's text is part of the link.
    """
    parts, end = [], 0
    links = [match.span() for match in LINK.finditer(markdown)]
    for match in CODE.finditer(markdown):
        if any(begin < match.start() < stop for begin, stop in links):
            continue
        parts += [(False, markdown[end : match.start()]), (True, match[0])]
        end = match.end()
    return [*parts, (False, markdown[end:])]


def _resolve_target(source: str, path: str) -> str:
    """Return the path in the repository that a relative link leads to.

    Raise ``BrokenLinkError`` if there is no such file. Generated pages have no file.
    """
    target = os.path.normpath(Path(source).parent / path)
    if target == DECISIONS:
        return f"{DECISIONS}/index.md"
    is_page = target.startswith(DOCS) and target.endswith(".md")  # MkDocs checks links to pages.
    if not is_page and not (ROOT / target).exists():
        raise BrokenLinkError(f"{path} is not in the repository")
    return target


def _check_address(address: str) -> None:
    """Raise ``BrokenLinkError`` if the stack has no such address."""
    url = urlsplit(address)
    try:
        resolve(url.path)
    except Resolver404 as exc:
        raise BrokenLinkError(f"The stack has no address {address}") from exc
    codes = {"", *(problem.code for problem in list_problems())}
    if url.path == "/problems" and url.fragment not in codes:
        raise BrokenLinkError(f"{address} names no problem that exists")
