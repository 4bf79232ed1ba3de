"""Benchmarks: each beside baselines of the same run. With them come the features of the tests."""

import os
from pathlib import Path

os.environ["AUTEUR_PLUGINS"] = str(Path(__file__).parents[1] / "tests" / "plugins")
