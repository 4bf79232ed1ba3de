"""Hooks that MkDocs calls during the build: add generated pages, and check links."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from auteur.help import decisions, edl, errors, features, links, operations, policy

OUTSIDE_PAGES = {
    "project/readme.md": "README.md",
    "project/contributing.md": "CONTRIBUTING.md",
    "project/changelog.md": "CHANGELOG.md",
    "project/reporting.md": "SECURITY.md",
}
"""Pages outside of `docs/`, by their paths on the site."""
SEARCH_BOOSTS = {
    "decisions/": 0.001,
    "project/": 0.001,
    "design/": 0.001,
    "architecture": 0.01,
    "benchmarks": 0.01,
    "security": 0.01,
    "states": 0.01,
    "api.": 0.2,
    "errors": 0.2,
    "glossary": 0.2,
    "privacy": 0.2,
}
"""Search weights by the beginning of a page's path, 1 for all others. Guides rank before reference,
and reference before decisions. A match in a title counts a thousand times as much as one in a text,
so a small weight is needed to rank a title below it."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add every feature and decision to the menu."""
    _find_entries(config.nav, "feature/index.md").extend(features.build_pages())
    _find_entries(config.nav, "decisions/index.md").extend(decisions.list_paths())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        **features.build_pages(),
        **{
            site_path: links.ROOT.joinpath(source).read_text()
            for site_path, source in OUTSIDE_PAGES.items()
        },
        "decisions/index.md": decisions.build_index(),
        "edl-operations.md": edl.build_page(),
        "errors.md": errors.build_page(),
        "api.md": operations.build_page(),
    }
    for site_path, text in pages.items():
        files.append(File.generated(config, site_path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set the page's search weight, and rewrite its links. A broken link ends the build."""
    source = OUTSIDE_PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    for prefix, boost in SEARCH_BOOSTS.items():
        if page.file.src_uri.startswith(prefix):
            page.meta["search"] = {"boost": boost}
    try:
        return links.rewrite_links(markdown, source, page.file.src_uri, OUTSIDE_PAGES)
    except links.BrokenLinkError as exc:
        raise PluginError(f"{source}: {exc}") from exc


def on_post_build(config: MkDocsConfig) -> None:
    """Write the policy of the built site, and delete the sitemap, which names a foreign host."""
    site = Path(config.site_dir)
    for name in ("sitemap.xml", "sitemap.xml.gz"):
        (site / name).unlink(missing_ok=True)
    try:
        policy.write_policy(site)
    except policy.InlineError as exc:
        raise PluginError(str(exc)) from exc


def on_page_context(context: dict[str, object], page: Page, **_: object) -> dict[str, object]:
    """Remove the canonical URL, because the site's address depends on its server."""
    page.canonical_url = None
    return context


def _find_entries(menu: object, first: str) -> list[str]:
    """Return the list in the menu that contains this page first, or an empty list."""
    if isinstance(menu, list):
        if first in menu:
            return menu
        items = menu
    elif isinstance(menu, dict):
        items = list(menu.values())
    else:
        items = []
    return next((entries for item in items if (entries := _find_entries(item, first))), [])
