"""RabbitMQ for the embedded stack: installed here, or downloaded from Debian's packages.

It is a node of its own, with its own port mapper (epmd), cookie and data, all on the loopback
address, so it does not interfere with other Erlang nodes.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import amqp
from amqp.exceptions import AMQPError

from auteur.devstack.environment import RABBITMQ_USER, write_private
from auteur.devstack.errors import StackError
from auteur.devstack.ports import HOST, find_free_ports
from auteur.devstack.process import Process

SERVER = "rabbitmq-server"
SCRIPT = "lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
"""The path below ``/usr``. Debian's script on PATH starts only the system's own service."""
MISSING = (
    "RabbitMQ is missing: install rabbitmq-server. (On Debian and Ubuntu it is fetched by "
    "`apt-get download` and need not be installed.)"
)
ERLANG_HOME = "/usr/lib/erlang"
FETCH_SECONDS = 300.0
ANSWER_SECONDS = 2.0
ERLANG_OPTIONS = "-noinput +B i +S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"
CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 16000000
consumer_timeout = 86400000
log.file = false
log.console = true
log.console.level = warning
"""


@dataclass(frozen=True)
class Installation:
    """A RabbitMQ server, and the PATH with its Erlang."""

    script: Path
    path: str

    @property
    def epmd(self) -> str:
        """Return the port mapper."""
        return shutil.which("epmd", path=self.path) or "epmd"


def list_processes(data: Path, port: int, password: str) -> list[Process]:
    """Return the server and its port mapper, on ``data``, which is created on first use."""
    server = find_installation() or _fetch_packages(_get_cache_folder())
    data.mkdir(mode=0o700, exist_ok=True)
    values = {"host": HOST, "port": port, "user": RABBITMQ_USER, "password": password}
    # The password is in a file, because all users of the machine can read a command line.
    write_private(data / "rabbitmq.conf", CONFIGURATION.format(**values))
    (data / "enabled_plugins").write_text("[].\n")
    mapper, distribution = find_free_ports(2)
    variables = {
        "PATH": server.path,
        "HOME": str(data),  # Erlang stores the cookie here.
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": HOST,
        # This avoids a shell in between. `-noinput` in ERLANG_OPTIONS disables input again.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq.conf"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(data),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_MNESIA_BASE": str(data / "nodes"),
        "RABBITMQ_NODENAME": "auteur@localhost",
        "RABBITMQ_PID_FILE": str(data / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_OPTIONS,
    }
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")
    }
    return [
        Process(name="epmd", command=(server.epmd, "-port", str(mapper), "-address", HOST)),
        Process(
            name="rabbitmq",
            command=(str(server.script),),
            needs=("epmd",),
            ready=lambda: is_answering(port, password),
            environment=inherited | variables,
            directory=data,
        ),
    ]


def is_answering(port: int, password: str) -> bool:
    """Return True if the server accepts our connection."""
    try:
        with amqp.Connection(
            f"{HOST}:{port}",
            RABBITMQ_USER,
            password,
            connect_timeout=ANSWER_SECONDS,
            read_timeout=ANSWER_SECONDS,
        ):
            return True
    except (OSError, AMQPError):
        return False


def find_installation() -> Installation | None:
    """Return the installation on this machine or in the cache, or None."""
    for usr in (Path("/usr"), _get_cache_folder() / "usr"):
        for script in usr.glob(SCRIPT):
            erlang = str(usr / ERLANG_HOME.removeprefix("/usr/") / "bin")
            return Installation(script, os.pathsep.join([erlang, os.environ.get("PATH", "")]))
    if script_path := shutil.which(SERVER):
        return Installation(Path(script_path), os.environ.get("PATH", ""))
    return None


def _get_cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "auteur" / "rabbitmq"


def _fetch_packages(folder: Path) -> Installation:
    """Download Debian's packages and unpack them into ``folder``. Raise ``StackError``."""
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg"))):
        raise StackError(MISSING)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        draft, packages = Path(name, "root"), Path(name, "packages")
        packages.mkdir()
        _run_command(["apt-get", "download", *_list_packages()], packages)
        for package in packages.iterdir():
            _run_command(["dpkg", "-x", str(package), str(draft)], packages)
        _relocate_erlang(draft, folder)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    if server := find_installation():
        return server
    raise StackError(MISSING)


def _list_packages() -> Iterable[str]:
    """Return the server's package and the Erlang packages that it depends on."""
    output = _run_command(["apt-cache", "depends", "--recurse", "--important", SERVER], Path.cwd())
    return sorted({line for line in output.splitlines() if line.startswith((SERVER, "erlang-"))})


def _relocate_erlang(draft: Path, folder: Path) -> None:
    """Write the new location into the one script that contains it."""
    script = draft / ERLANG_HOME.lstrip("/") / "bin" / "erl"
    if script.exists():
        home = str(folder / ERLANG_HOME.lstrip("/"))
        script.write_text(script.read_text().replace(ERLANG_HOME, home))


def _run_command(command: list[str], directory: Path) -> str:
    try:
        result = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        lines = str(getattr(exc, "stderr", None) or exc).strip().splitlines() or ["no output"]
        raise StackError(f"{MISSING} {command[0]}: {lines[-1]}") from exc
    return result.stdout
