"""Where inference happens: one folder per feature, free of Django and Celery but in `backends`.

``AUTEUR_PLUGINS`` names folders (by ``:``) whose ``functions/`` hold further ones of the same form.
"""

import os
from pathlib import Path

_PLUGINS = [Path(folder) for folder in os.environ.get("AUTEUR_PLUGINS", "").split(":") if folder]
__path__ = [*__path__, *(str(folder / "functions") for folder in _PLUGINS)]
