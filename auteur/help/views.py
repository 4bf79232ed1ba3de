"""`/help`: the built site, or where it comes from if it was not built."""

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
"""Shown as text: `.ts` is a film to browsers."""
LASTING = "assets/"
"""Files under it are named by what they hold."""
LASTING_SECONDS = 86_400


class Site(NamedTuple):
    """What was built."""

    policy: str
    files: frozenset[str]


@require_safe
def page(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """A page or a file of the site, with the site's own policy."""
    root: Path = settings.HELP_ROOT
    try:
        made_ns = (root / FILE_NAME).stat().st_mtime_ns
    except FileNotFoundError:
        return HttpResponse(render_to_string("help_not_built.html"), status=404)
    site = _site(root, made_ns)
    if f"{path}/{INDEX}" in site.files:
        return redirect(f"{HOME}{path}/")
    name = f"{path}{INDEX}" if path.endswith("/") or not path else path
    response = _file(request, root, name) if name in site.files else _missing(root)
    response["Content-Security-Policy"] = site.policy
    return response


@lru_cache(maxsize=1)
def _site(root: Path, made_ns: int) -> Site:
    """Read once, until it is built anew."""
    files = (file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    return Site((root / FILE_NAME).read_text(), frozenset(files))


def _file(request: HttpRequest, root: Path, name: str) -> HttpResponseBase:
    response = serve(request, name, document_root=str(root))
    if name.endswith(SOURCES):
        response["Content-Type"] = "text/plain; charset=utf-8"
    is_lasting = name.startswith(LASTING)
    response["Cache-Control"] = f"public, max-age={LASTING_SECONDS}" if is_lasting else "no-cache"
    return response


def _missing(root: Path) -> HttpResponseBase:
    told = (root / NOT_FOUND).open("rb")
    return FileResponse(told, status=404, content_type="text/html; charset=utf-8")
