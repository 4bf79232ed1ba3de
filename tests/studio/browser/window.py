"""The studio in a window of Chromium, as a person sees it."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auteur.devstack.processes import BASE_DIR

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
STUDIO = BASE_DIR / "clients" / "studio"
BUILT = STUDIO / "dist" / "index.html"
AXE = STUDIO / "node_modules" / "axe-core" / "axe.min.js"
IMAGES = BASE_DIR / "docs" / "images"
WAIT_MS = 45_000
LONG_MS = 120_000
SIZE = {"width": 1360, "height": 820}
SIGN_IN = """([key, token]) => {
    if (sessionStorage.getItem(key) === null) sessionStorage.setItem(key, token)
}"""
FINDINGS = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`)"""


class Window:
    """One page; all that its console complains of is in ``complaints``."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def forgive(self, *of: str) -> None:
        """Take back complaints that a test has caused: those that hold one of these texts."""
        self.complaints[:] = [item for item in self.complaints if not any(o in item for o in of)]

    def button(self, name: str, *, exact: bool = False) -> "Locator":
        return self.page.get_by_role("button", name=name, exact=exact)

    def word(self, position: int) -> "Locator":
        return self.page.locator(f"[data-place='{position}']")

    def clip(self, n: int) -> "Locator":
        return self.page.locator(".editor-clip").nth(n)

    def cut_words(self, position: int, further: int = 0) -> None:
        """By mouse and keys, from one word on."""
        self.word(position).click()
        for _ in range(further):
            self.page.keyboard.press("Shift+ArrowRight")
        self.page.keyboard.press("Delete")

    def wait_for_cut_words(self, count: int) -> None:
        """Return when so many words are struck out."""
        self.until("(n) => document.querySelectorAll('.editor-cut').length === n", count)

    def wait_until_saved(self) -> None:
        self.state("^Saved$").wait_for(timeout=LONG_MS)

    def state(self, pattern: str) -> "Locator":
        """Return the toolbar's status of the edits, if it matches."""
        return self.page.locator(".editor-state", has_text=re.compile(pattern))

    def wait_for_film(self) -> None:
        """Return when the editor shows clips and words."""
        self.clip(0).wait_for()
        self.word(0).wait_for()

    def until(self, expression: str, argument: object = None, *, ms: int = WAIT_MS) -> None:
        """Return when a JavaScript expression of the page is true."""
        self.page.wait_for_function(expression, arg=argument, timeout=ms)

    def findings(self) -> list[str]:
        """Return the findings of axe in both colour schemes."""
        self.page.evaluate(AXE.read_text())
        result = []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            result += [f"{scheme}: {item}" for item in self.page.evaluate(FINDINGS)]
        return result

    def picture(self, name: str) -> None:
        """Write what is seen into the docs, where SCREENSHOTS=1 asks for it."""
        if os.environ.get("SCREENSHOTS") != "1":
            return
        IMAGES.mkdir(exist_ok=True)
        self.page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=72)

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        wide: int = self.page.evaluate(
            "Math.max(...[document.documentElement, document.querySelector('#main')]"
            ".map((each) => each.scrollWidth - each.clientWidth))"
        )
        return wide


def opened(browser: "Browser", url: str, token: str | None, options: dict[str, Any]) -> Window:
    """Open a window with its own storage, signed in if there is a token."""
    context = browser.new_context(**{"viewport": SIZE, "accept_downloads": True, **options})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    if token is not None:
        expected = json.dumps({"token": token, "refresh": None})
        value = json.dumps(["auteur.session", expected])
        page.add_init_script(f"({SIGN_IN})({value})")
    window = Window(page)
    page.goto(url)
    return window


Open = Callable[..., Window]


def saved(download: Any, folder: Path) -> Path:
    """Return a downloaded file of the browser."""
    path = folder / download.suggested_filename
    download.save_as(path)
    return path
