"""`/help`, as it is served."""

import re
import shutil

import pytest
from django.test import Client

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def helped(site, settings):
    settings.HELP_ROOT = site
    return Client()


def test_pages_and_files(helped):
    home = helped.get("/help/")
    assert home.status_code == 200
    assert b"<h1" in b"".join(home.streaming_content)
    assert home["Cache-Control"] == "no-cache"
    assert helped.get("/help")["Location"] == "/help/"
    assert helped.get("/help/feature/tts")["Location"] == "/help/feature/tts/"
    since = {"If-Modified-Since": home["Last-Modified"]}
    assert helped.get("/help/", headers=since).status_code == 304
    assert helped.post("/help/").status_code == 405
    output = helped.get("/help/examples/film/film.ts")
    assert output["Content-Type"] == "text/plain; charset=utf-8"


def test_the_policy_allows_scripts_by_their_hashes_alone(helped):
    policy = helped.get("/help/")["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


@pytest.mark.parametrize(
    "path", ["nowhere/", "../mkdocs.yml", "%2e%2e/mkdocs.yml", "x" * 5000, "a%00b", "assets"]
)
def test_what_is_not_there(helped, path):
    answer = helped.get(f"/help/{path}")
    assert answer.status_code == 404
    assert "Cache-Control" not in answer


def test_where_it_was_not_built(settings, tmp_path):
    settings.HELP_ROOT = tmp_path / "none"
    answer = Client().get("/help/")
    assert answer.status_code == 404
    assert "make docs" in answer.content.decode()


SEARCH = """async queries => {
  const config = JSON.parse(document.querySelector("#__config").textContent);
  const index = await (await fetch("/help/search/search_index.json")).json();
  const worker = new Worker(new URL(config.search, location.href));
  const ask = (type, data, answerType) => new Promise(resolve => {
    worker.onmessage = ({data: answer}) => answer.type === answerType && resolve(answer.data);
    worker.postMessage({type, data});
  });
  await ask(0, {...index, options: {suggest: false}}, 1);
  const first = {};
  for (const query of queries) first[query] = (await ask(2, query, 3)).items[0][0].location;
  return first;
}"""
"""Return the first result of the site's own search for each query."""
FIRST_RESULTS = {
    "api key": "api-keys/",
    "cancel": "jobs/#cancel-a-job",
    "caption style": "editing/#preview-and-caption-style",
    "credits on failure": "jobs/#refunds-and-credits-on-failure",
    "deploy": "deployment/",
    "deprecation": "versioning/#deprecation",
    "import": "imports/",
    "licence": "engines/",
    "own gpu": "real-models/#gpus-of-your-own",
    "privacy": "privacy/",
    "rate limits": "rate-limits/",
    "real models": "real-models/",
    "refund": "jobs/#refunds-and-credits-on-failure",
    "1000 users": "operations/#sizing-for-1000-users",
    "transcription price": "feature/transcription/",
    "undo": "editing/#undo",
    "upload": "tasks/#upload-files",
    "upload formats": "formats/",
    "webhook": "webhooks/",
}


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")
def test_search_leads_to_guides(site, settings, live_server):
    settings.HELP_ROOT = site
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{live_server.url}/help/")
        first_results = page.evaluate(SEARCH, list(FIRST_RESULTS))
        browser.close()
    assert first_results == FIRST_RESULTS


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_finds_nothing_wrong(site, settings, live_server, scheme):
    settings.HELP_ROOT = site
    output = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(color_scheme=scheme).new_page()
        page.on("console", lambda item: output.append(item.text))
        page.on("pageerror", lambda error: output.append(str(error)))
        for path in ("", "feature/transcription/", "edl-operations/", "nowhere/deep/"):
            page.goto(f"{live_server.url}/help/{path}", wait_until="networkidle")
        page.goto(f"{live_server.url}/help/quickstart/")
        page.get_by_text("TypeScript", exact=True).first.click()
        page.get_by_text("new Auteur()").first.wait_for()
        colours = page.locator("body").get_attribute("data-md-color-scheme")
        page.keyboard.press("/")
        page.keyboard.type("cut silences")
        page.locator(".md-search-result__item").first.wait_for()
        first = page.locator(".md-search-result__item").first.inner_text()
        browser.close()
    assert colours == {"light": "default", "dark": "slate"}[scheme]
    assert "cut_silences" in first
    assert not [item for item in output if "404" not in item]  # of the page that is not there
