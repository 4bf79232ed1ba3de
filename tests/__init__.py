"""The tests; with them come features of their own, found before any of ours is imported."""

import os
from pathlib import Path

os.environ.setdefault("AUTEUR_PLUGINS", str(Path(__file__).parent / "plugins"))
