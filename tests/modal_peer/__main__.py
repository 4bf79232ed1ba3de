"""`python -m tests.modal_peer`."""

import os
from pathlib import Path

# As in all our tests; it must be there when `gpu_tasks` is imported.
os.environ.setdefault("AUTEUR_PLUGINS", str(Path(__file__).parents[1] / "plugins"))

from tests.modal_peer.cli import main

if __name__ == "__main__":
    main()
