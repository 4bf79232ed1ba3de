"""What is on the site follows from the code, and what is broken stops the build."""

import json
import logging
import re
import shutil
from pathlib import Path

import pytest

from auteur.core.api.problem_pages import list_problems
from auteur.help import building, codes, decisions, edl, features, links, policy
from projects.timeline.operations import Operation

TAKEN_IN = {"project/readme.md": "README.md"}


def ids(page: Path) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', page.read_text()))


def test_every_feature_has_its_page(site):
    result = {page.parent.name for page in (site / "feature").glob("*/index.html")}
    assert result == {feature.slug for feature in features.list_own_features()}


def test_every_operation_of_the_edl_has_its_entry_and_its_example(site):
    assert set(Operation.named) <= ids(site / "edl-operations" / "index.html")
    assert set(edl.read_examples()) == set(Operation.named)


def test_every_problem_has_its_entry(site):
    assert {problem.code for problem in list_problems()} <= ids(site / "errors" / "index.html")


def test_every_operation_of_the_api_is_listed(site):
    page = (site / "api" / "index.html").read_text()
    for path, item in codes.read_contract()["paths"].items():
        for method in {"get", "post", "put", "patch", "delete"} & set(item):
            assert f"{method.upper()} {path}</code>" in page


def test_every_decision_has_its_page(site):
    for path in decisions.list_paths():
        assert (site / path.removesuffix(".md") / "index.html").is_file()


def test_every_decision_has_its_date_status_and_sections():
    assert "| [1. Packages, and imports that go down only]" in decisions.build_index()
    for page in decisions.FOLDER.glob("*.md"):
        text = page.read_text()
        assert re.match(r"# \d+\. .+\n\nDate: \d{4}-\d\d-\d\d · Status: \S", text), page
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives rejected"], page
        assert len(text.splitlines()) <= 40, page


def test_examples_are_taken_in(site):
    """An include that the site's maker does not know is left as it is written."""
    for page in ("quickstart", "editing"):
        text = (site / page / "index.html").read_text()
        assert 'class="tabbed-block"' in text
        assert "docs/examples/film" not in text


def test_nothing_comes_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="([^"]+)"', page.read_text())
        assert not [url for url in loaded if url.startswith(("http", "//"))], page


def test_the_list_of_features_tells_prices_in_words(site):
    page = (site / "feature" / "index.html").read_text()
    for price in ("1 credit per 2 minutes", "4 credits per result", "10 credits per second"):
        assert f"<td>{price}</td>" in page


def test_no_row_of_a_table_is_shown_as_text(site):
    """A line between two rows ends a table, and the rows after it become a paragraph."""
    for page in site.rglob("*.html"):
        text = re.sub(r"<(pre|code|script)\b.*?</\1>", "", page.read_text(), flags=re.DOTALL)
        assert not re.findall(r"(?:^|<p>|<li>)\s*\|.*", text, re.MULTILINE), page


def test_search_ranks_guides_before_reference_and_decisions(site):
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    boosts = {entry["location"].partition("#")[0]: entry.get("boost", 1) for entry in entries}
    decisions_ = {boost for page, boost in boosts.items() if page.startswith("decisions/")}
    assert len(decisions_) == 1
    for guide in ("jobs/", "deployment/", "real-models/", "rate-limits/", "feature/tts/"):
        assert boosts[guide] == 1
    assert max(decisions_) < boosts["errors/"] < 1


@pytest.mark.parametrize(
    ("link", "result"),
    [
        ("[x](events.md#pull)", "[x](events.md#pull)"),
        ("[x](../README.md#use-it)", "[x](project/readme.md#use-it)"),
        ("[x](decisions)", "[x](decisions/index.md)"),
        ("[`x`](../jobs/states.py)", "`x`"),
        ("[x](/problems#not_found)", "[x](/problems#not_found)"),
        ("[x](/docs)", "[x](/docs)"),
        ("[x](https://example.com)", "[x](https://example.com)"),
        ("`[x](nowhere.py)`", "`[x](nowhere.py)`"),
        ("![x](images/studio.jpg)", "![x](images/studio.jpg)"),
        ("![x](https://example.com/x.png)", "![x](https://example.com/x.png)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(link, result):
    assert links.rewrite_links(link, "docs/page.md", "page.md", TAKEN_IN) == result


def test_a_picture_of_the_readme_is_shown_by_the_site():
    result = links.rewrite_links(
        "![x](docs/images/studio.jpg)", "README.md", "project/readme.md", TAKEN_IN
    )
    assert result == "![x](../images/studio.jpg)"


def test_a_picture_outside_of_the_docs_is_refused():
    with pytest.raises(links.BrokenLinkError):
        links.rewrite_links("![x](../clients/studio/logo.svg)", "docs/page.md", "page.md", TAKEN_IN)


@pytest.mark.parametrize("to", ["../nowhere.py", "/nowhere", "/problems#nowhere", "nowhere.txt"])
def test_a_link_to_nowhere_is_refused(to):
    with pytest.raises(links.BrokenLinkError):
        links.rewrite_links(f"see [x]({to})", "docs/page.md", "page.md", TAKEN_IN)


def test_a_page_or_heading_that_is_not_there_stops_the_build(tmp_path, caplog):
    caplog.set_level(logging.ERROR)  # as the LOG_LEVEL of `make docs`
    shutil.copytree(links.ROOT / "docs", tmp_path / "docs")
    with (tmp_path / "docs" / "glossary.md").open("a") as page:
        page.write("\nSee [a page](nowhere.md) and [a heading](events.md#nowhere).\n")
    with pytest.raises(building.BuildError, match="2 warnings"):  # one of each
        building.build_site(tmp_path / "site", tmp_path / "docs")
    assert not (tmp_path / "site").exists()
    assert [item.name for item in tmp_path.iterdir()] == ["docs"]


@pytest.mark.parametrize(
    "inline",
    [
        '<p style="color: red">',
        "<style>p {}</style>",
        '<p onclick="x()">',
        '<img src="https://example.com/x.png">',
        "<iframe></iframe>",
    ],
)
def test_what_the_policy_forbids_stops_the_build(tmp_path, inline):
    (tmp_path / "index.html").write_text(inline)
    with pytest.raises(policy.InlineError):
        policy.write_policy(tmp_path)
