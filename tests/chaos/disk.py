"""A small disk for the object store: a tmpfs that only the stack's processes see.

It needs no root.

`unshare` gives the stack a mount namespace of its own, so nothing is mounted for anybody else, and
the disk is gone with the last process.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

MOUNT = 'mkdir -p "$1" && mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1" && shift 2 && exec "$@"'


def on_small_disk(folder: Path, size_bytes: int, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that runs ``command`` with a disk of this size mounted on ``folder``."""
    mount = ("sh", "-c", MOUNT, "sh", str(folder.resolve()), str(size_bytes))
    if os.geteuid() == 0:
        return ("unshare", "--mount", *mount, *command)
    # Whoever mounts has to be root in a user namespace; the stack is itself again in a second one.
    own = ("unshare", "--user", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}")
    return ("unshare", "--user", "--map-root-user", "--mount", *mount, *own, *command)


@cache
def find_obstacle() -> str:
    """Return why no small disk can be mounted here; empty if one can."""
    if shutil.which("unshare") is None:
        return "the program unshare (util-linux) is not installed"
    attempt = subprocess.run(
        on_small_disk(Path("/mnt"), 2**20, ("true",)), capture_output=True, text=True, check=False
    )
    return attempt.stderr.strip() if attempt.returncode else ""
