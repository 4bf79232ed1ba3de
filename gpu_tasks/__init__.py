"""Run inference: one folder per feature; only `backends` imports Django and Celery.

``AUTEUR_PLUGINS`` names folders (by ``:``) whose ``functions/`` hold more of the same form.
"""

import os
from pathlib import Path

_PLUGINS = [Path(folder) for folder in os.environ.get("AUTEUR_PLUGINS", "").split(":") if folder]
__path__ = [*__path__, *(str(folder / "functions") for folder in _PLUGINS)]
