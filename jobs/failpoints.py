"""Named points at which the chaos suite (`make chaos`) lets a process die.

``AUTEUR_FAILPOINTS`` names a folder. A process that comes to a point for which a file lies there
takes the file away and kills itself with SIGKILL: one file, one death. Without the variable, as
everywhere but in that suite, a point does nothing.
"""

import os
import signal
from pathlib import Path

VARIABLE = "AUTEUR_FAILPOINTS"

_folder = os.environ.get(VARIABLE)


def failpoint(name: str) -> None:
    """Die here if the point is armed."""
    if _folder is None:
        return
    try:
        Path(_folder, name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
