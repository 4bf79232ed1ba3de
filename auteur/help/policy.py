"""The site's Content Security Policy: it loads only its own files, and known inline scripts."""

import base64
import hashlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from gpu_tasks.runtime.errors import AuteurError

FILE_NAME = "policy.txt"
DATA = "application/json"
POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class InlineError(AuteurError):
    """A page contains something that the policy forbids."""


def write_policy(site: Path) -> None:
    """Write the policy of a built site beside its pages. Raise ``InlineError``."""
    hashes = {
        _hash_script(script)
        for page in site.rglob("*.html")
        for script in _list_inline_scripts(page)
    }
    scripts = "".join(f" '{digest}'" for digest in sorted(hashes))
    (site / FILE_NAME).write_text(POLICY.format(scripts=scripts))


def _hash_script(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _list_inline_scripts(page: Path) -> Iterator[str]:
    reader = _InlineParser()
    reader.feed(page.read_text())
    if reader.forbidden:
        raise InlineError(f"{page}: the policy forbids {', '.join(sorted(reader.forbidden))}")
    yield from reader.scripts


class _InlineParser(HTMLParser):
    """A parser that collects the scripts within a page, and what the policy forbids."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.forbidden: set[str] = set()
        self._is_in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._is_in_script = (
            tag == "script" and "src" not in attributes and attributes.get("type") != DATA
        )
        self.forbidden |= {name for name in attributes if name == "style" or name.startswith("on")}
        if tag in {"style", "iframe", "object", "embed", "base"}:
            self.forbidden.add(f"<{tag}>")
        for name in ("src", "srcset"):
            if (attributes.get(name) or "").startswith(("http:", "https:", "//")):
                self.forbidden.add(f"{name}={attributes[name]}")

    def handle_data(self, data: str) -> None:
        if self._is_in_script:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._is_in_script = False
