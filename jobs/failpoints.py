"""Named points at which the chaos suite (`make chaos`) lets a process die, or makes it slow.

``AUTEUR_FAILPOINTS`` names a folder. A process that comes to a point for which a file lies there
takes the file away and kills itself with SIGKILL; if the file holds a number, the process waits for
so many seconds instead. One file works once. Without the variable, as everywhere but in that suite,
a point does nothing.
"""

import os
import signal
import time
from pathlib import Path

VARIABLE = "AUTEUR_FAILPOINTS"

_folder = os.environ.get(VARIABLE)


def failpoint(name: str) -> None:
    """Die or wait here if the point is armed."""
    if _folder is None:
        return
    file = Path(_folder, name)
    try:
        seconds = file.read_text()
        file.unlink()
    except FileNotFoundError:
        return
    if seconds:
        time.sleep(float(seconds))
    else:
        os.kill(os.getpid(), signal.SIGKILL)
