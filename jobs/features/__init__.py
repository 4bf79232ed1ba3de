"""Declare one AI feature per module; API, pricing, queues, chain, admin and docs follow from it.

``AUTEUR_PLUGINS`` names folders (separated by ``:``) whose ``features/`` hold further features of
the same form.
"""

import os
from pathlib import Path

_PLUGINS = [Path(folder) for folder in os.environ.get("AUTEUR_PLUGINS", "").split(":") if folder]
__path__ = [*__path__, *(str(folder / "features") for folder in _PLUGINS)]
