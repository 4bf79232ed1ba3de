"""The image's file system without Docker: `deploy/Dockerfile`, step by step, in a chroot.

Needs root and debootstrap. Packages come from where this machine's own come from.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.dockerfile import Stage, copy_context, stages

SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = ("debootstrap", "unshare", "chroot")
NETWORK = ("PIP_", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
# What python:3.11-slim-bookworm has: Debian's own Python of that version, by the same names.
PYTHON = """
ln -s /usr/bin/python3 /usr/local/bin/python
rm -f /usr/lib/python3.*/EXTERNALLY-MANAGED
"""
MOUNTS = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
"""
BUILDING = MOUNTS + 'exec chroot "$1" sh -c "$2"'
# As compose runs it: a root that nobody can write to, tmpfs, secrets and volumes; no rights.
RUNNING = f"""
set -e
root=$1 secrets=$2 volumes=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
set -- "$root" "$@"
{MOUNTS}
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir "$root/run/secrets"
cp "$secrets"/* "$root/run/secrets"
mount --bind "$volumes/objects" "$root/srv/auteur/objects"
mount --bind "$volumes/flower" "$root/srv/auteur/flower"
shift
exec chroot --userspec=10001:10001 "$root" env -C /app "$@"
"""


def entering(root: Path, secrets: Path, volumes: Path) -> tuple[str, ...]:
    """What to put before a command to run it in the image; mounts end with it."""
    script = ("sh", "-c", RUNNING, "enter", str(root), str(secrets), str(volumes))
    return ("unshare", "--mount", *script)


def build(folder: Path, arguments: Mapping[str, str]) -> Path:
    """Walk all stages; the folder of the last, which is the image."""
    base, context = folder / "base", folder / "context"
    if not base.exists():
        bootstrap(base, "ca-certificates,python3,python3-venv,python3-pip")
        subprocess.run(["chroot", str(base), "sh", "-ec", PYTHON], check=True)
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir()
    copy_context(context)
    result: dict[str, Path] = {}
    for stage in stages():
        root = folder / (stage.name or "image")
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", str(base), str(root)], check=True)
        _Walk(root, context, result, arguments).through(stage)
        result[stage.name] = root
    return root


def bootstrap(base: Path, packages: str) -> None:
    """A bare Debian in a folder, with these packages (comma-separated) and nothing of ours."""
    wanted = f"--include={packages}"
    subprocess.run(["debootstrap", "--variant=minbase", wanted, SUITE, str(base)], check=True)
    for name in ("resolv.conf", "pip.conf", "ssl/certs/ca-certificates.crt"):
        if (source := Path("/etc", name)).exists():
            shutil.copy(source, base / "etc" / name)


def network() -> dict[str, str]:
    """What this machine is told of its way to packages."""
    return {name: os.environ[name] for name in os.environ if name.upper().startswith(NETWORK)}


class _Walk:
    """Through the steps of one stage."""

    def __init__(
        self, root: Path, context: Path, result: Mapping[str, Path], arguments: Mapping[str, str]
    ) -> None:
        self.root, self.context, self.made, self.arguments = root, context, result, arguments
        self.folder = Path("/")
        self.env = {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"} | network()

    def through(self, stage: Stage) -> None:
        """Do every step that changes files or what later steps see."""
        self.env |= {name: value.replace("$PATH", PATH) for name, value in stage.env.items()}
        for name, rest in stage.steps:
            if step := getattr(self, f"_{name.lower()}", None):
                step(rest)

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self.env[name] = self.arguments.get(name, default)

    def _workdir(self, rest: str) -> None:
        self.folder = Path(rest)
        self._inside(rest).mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        source = self.context
        if sources[0].startswith("--from="):
            source = self.made[sources.pop(0).removeprefix("--from=")]
        for item in sources:
            result = source / item.lstrip("/")
            inside = f"{result}/." if result.is_dir() else str(result)
            self._inside(target).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", inside, str(self._inside(target))], check=True)

    def _run(self, rest: str) -> None:
        command = f"cd {self.folder} && {rest}"
        words = ["unshare", "--mount", "sh", "-c", BUILDING, "build", str(self.root), command]
        subprocess.run(words, env=self.env, check=True)

    def _inside(self, path: str) -> Path:
        return self.root / str(self.folder / path).lstrip("/")
