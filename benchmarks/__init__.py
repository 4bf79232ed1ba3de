"""Measure Auteur against baselines of the same run. The features of the tests are loaded."""

import os
from pathlib import Path

os.environ["AUTEUR_PLUGINS"] = str(Path(__file__).parents[1] / "tests" / "plugins")
