"""The client in a page of another origin: what browsers ask of the server besides."""

import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.journeys.recordings import INTERVIEW

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
WAIT_MS = 60_000
STREAM = "text/event-stream; charset=utf-8"

PAGE = """<!doctype html><script type="importmap">{"imports": {
  "auteur-client": "/dist/index.js",
  "openapi-fetch": "/node_modules/openapi-fetch/dist/index.mjs",
  "eventsource-parser/stream": "/node_modules/eventsource-parser/dist/stream.js"
}}</script><script type="module">window.client = await import("auteur-client");</script>"""

JOURNEY = """async ([url, liveUrl, token]) => {
  const { Auteur, StaleEditError } = window.client;
  const auteur = new Auteur({ url, token, liveUrl });
  const made = await auteur.api.POST("/projects", { body: { name: "Another origin" } });
  const projectId = made.data.id;
  const following = (async () => {
    for await (const event of auteur.events()) if (event.type === "job.completed") return event;
  })();
  const film = await (await fetch("/film.mp4")).blob();
  const sent = [];
  const media = await auteur.upload(new File([film], "film.mp4"), {
    projectId,
    onProgress: (progress) => sent.push(progress.sentBytes),
  });
  const job = await auteur.run("tts", { text: "Hello from another origin." });
  const operations = [{ op: "add_track", type: "audio", name: "A" }];
  const stale = await auteur.edit(projectId, operations, { version: 99 }).catch((error) => error);
  return {
    sent,
    location: made.response.headers.get("Location"),
    requestId: made.response.headers.get("X-Request-ID"),
    downloaded: (await auteur.download(media)).size,
    heardOf: (await following).data.job_id === job.id,
    isStale: stale instanceof StaleEditError,
  };
}"""


@pytest.fixture
def page_url(client: Path, page_port: int, tmp_path: Path) -> Iterator[str]:
    """Serve a page with the built client from a plain file server."""
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "film.mp4").symlink_to(INTERVIEW)
    for folder in ("dist", "node_modules"):
        (tmp_path / folder).symlink_to(client / folder)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", page_port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{page_port}"
        server.shutdown()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")
def test_a_page_of_another_origin_does_all_of_it(page_url: str, env: dict[str, str]) -> None:
    urls = [env[name] for name in ("AUTEUR_URL", "AUTEUR_LIVE_URL", "AUTEUR_TOKEN")]
    streams = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("response", lambda answer: streams.append(answer.headers.get("content-type")))
        page.goto(page_url)
        page.wait_for_function("window.client")
        reports = page.evaluate(JOURNEY, urls)
        browser.close()
    size = INTERVIEW.stat().st_size
    assert (reports["downloaded"], reports["sent"][0], reports["sent"][-1]) == (size, 0, size)
    assert reports["location"].startswith("/projects/")
    assert reports["requestId"]
    assert reports["heardOf"]
    assert reports["isStale"]
    assert STREAM in streams
