"""Build the docs site, whole or not at all."""

import logging
import shutil
import tempfile
from pathlib import Path

from mkdocs.commands.build import build as run_mkdocs
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, MkDocsException

from auteur.help.links import ROOT
from gpu_tasks.runtime.errors import AuteurError

CONFIGURATION = ROOT / "mkdocs.yml"


class BuildError(AuteurError):
    """The site has a broken link, or a page that cannot be made."""


def build_site(target: Path, pages: Path = ROOT / "docs") -> None:
    """Build the site beside the target and replace it; raise ``BuildError`` on any warning."""
    logging.getLogger("mkdocs").setLevel(logging.WARNING)  # The strict mode counts log warnings.
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        site = folder / "site"
        config = load_config(str(CONFIGURATION), docs_dir=str(pages), site_dir=str(site))
        config.plugins.on_startup(command="build", dirty=False)
        run_mkdocs(config)
        config.plugins.on_shutdown()
        if target.exists():
            target.rename(folder / "old")
        site.rename(target)
    except (Abort, MkDocsException) as exc:
        raise BuildError(f"The docs were not built: {exc}") from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)
