"""Links as the repository has them, made into links of the site; none of them is broken."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve

from auteur.api.problem_pages import list_problems
from gpu_tasks.runtime.errors import AuteurError

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs/"
DECISIONS = "docs/decisions"
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<to>[^()\s]+)\)")
CODE = re.compile(r"^(?P<fence>[`~]{3,}).*?^(?P=fence)|`+[^`\n]+`+", re.DOTALL | re.MULTILINE)
"""Of Markdown, what is shown as it is."""


class BrokenLinkError(AuteurError):
    """A link to what is not there."""


def of_site(markdown: str, source: str, place: str, taken_in: Mapping[str, str]) -> str:
    """Return the Markdown of a page with its links and pictures as the site has them.

    ``source`` is the path of the page in the repository, ``place`` its path on the site;
    ``taken_in`` maps paths on the site to those of pages outside of `docs/`. Raises
    ``BrokenLinkError``.
    """
    site_paths = {path: site_path for site_path, path in taken_in.items()}

    def rewrite(link: re.Match[str]) -> str:
        text, url = link["text"], urlsplit(link["to"])
        if url.scheme or link["to"].startswith("#"):
            return link[0]
        if link["to"].startswith("/"):
            _check_address(link["to"])
            return link[0]
        target = _target(source, url.path)
        if target not in site_paths and not target.startswith(DOCS):
            if link["image"]:
                raise BrokenLinkError(f"The picture {link['to']} is not in docs/")
            return text
        site_path = site_paths.get(target, target.removeprefix(DOCS))
        path = os.path.relpath(site_path, Path(place).parent)
        anchor = f"#{url.fragment}" if url.fragment else ""
        return f"{link['image']}[{text}]({path}{anchor})"

    return "".join(
        part if is_code else LINK.sub(rewrite, part) for is_code, part in _parts(markdown)
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
    codes = {"", *(one.code for one in list_problems())}
    if leads.path == "/problems" and leads.fragment not in codes:
        raise BrokenLinkError(f"{address}: there is no such problem")
