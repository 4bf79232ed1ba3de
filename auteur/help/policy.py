"""The policy that the site is sent with: what it loads is its own, its scripts are known ones."""

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
    """A page has what the policy forbids."""


def write(site: Path) -> None:
    """Put the policy of a built site beside its pages; raises ``InlineError``."""
    hashes = {_hash(script) for page in site.rglob("*.html") for script in _scripts(page)}
    scripts = "".join(f" '{one}'" for one in sorted(hashes))
    (site / FILE_NAME).write_text(POLICY.format(scripts=scripts))


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _scripts(page: Path) -> Iterator[str]:
    reader = _Inline()
    reader.feed(page.read_text())
    if reader.forbidden:
        raise InlineError(f"{page}: the policy forbids {', '.join(sorted(reader.forbidden))}")
    yield from reader.scripts


class _Inline(HTMLParser):
    """Collects scripts within a page, and what no policy of ours allows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.forbidden: set[str] = set()
        self._reads = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._reads = tag == "script" and "src" not in given and given.get("type") != DATA
        self.forbidden |= {name for name in given if name == "style" or name.startswith("on")}
        if tag in {"style", "iframe", "object", "embed", "base"}:
            self.forbidden.add(f"<{tag}>")
        for name in ("src", "srcset"):
            if (given.get(name) or "").startswith(("http:", "https:", "//")):
                self.forbidden.add(f"{name}={given[name]}")

    def handle_data(self, data: str) -> None:
        if self._reads:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._reads = False
