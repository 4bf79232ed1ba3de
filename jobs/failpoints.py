"""Define points at which the chaos suite (`make chaos`) kills or delays a process.

``AUTEUR_FAILPOINTS`` names a folder. A process that comes to a point whose file exists there
removes the file and kills itself with SIGKILL; if the file holds a number, the process waits for
that many seconds instead. Each file works once. Without the variable, which only that suite sets, a
point does nothing.
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
