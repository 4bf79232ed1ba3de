"""`/help`: the built site, or how to build it."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe
from django.views.static import serve

from auteur.help.policy import FILE_NAME

HOME = "/help/"
INDEX = "index.html"
NOT_FOUND = "404.html"
SOURCES = (".py", ".sh", ".ts")
"""These files are sent as text, because browsers take `.ts` for a video."""
LASTING = "assets/"
"""The names of files under this path contain a hash of their content."""
LASTING_SECONDS = 86_400


class Site(NamedTuple):
    """The policy and the files of a built site."""

    policy: str
    files: frozenset[str]


@require_safe
def page(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Return a page or file of the site, with the site's own policy."""
    root: Path = settings.HELP_ROOT
    try:
        built_ns = (root / FILE_NAME).stat().st_mtime_ns
    except FileNotFoundError:
        return HttpResponse(render_to_string("help_not_built.html"), status=404)
    site = _read_site(root, built_ns)
    if f"{path}/{INDEX}" in site.files:
        return redirect(f"{HOME}{path}/")
    name = f"{path}{INDEX}" if path.endswith("/") or not path else path
    response = _serve_file(request, root, name) if name in site.files else _serve_not_found(root)
    response["Content-Security-Policy"] = site.policy
    return response


@lru_cache(maxsize=1)
def _read_site(root: Path, built_ns: int) -> Site:
    """Read the site. The result is cached until the site is built again."""
    files = (file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    return Site((root / FILE_NAME).read_text(), frozenset(files))


def _serve_file(request: HttpRequest, root: Path, name: str) -> HttpResponseBase:
    response = serve(request, name, document_root=str(root))
    if name.endswith(SOURCES):
        response["Content-Type"] = "text/plain; charset=utf-8"
    is_lasting = name.startswith(LASTING)
    response["Cache-Control"] = f"public, max-age={LASTING_SECONDS}" if is_lasting else "no-cache"
    return response


def _serve_not_found(root: Path) -> HttpResponseBase:
    page_file = (root / NOT_FOUND).open("rb")
    return FileResponse(page_file, status=404, content_type="text/html; charset=utf-8")
