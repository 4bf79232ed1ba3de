"""RabbitMQ for the embedded stack: of this machine, or fetched from Debian without being installed.

It is a node of its own, with its own port mapper (epmd), cookie and data, all on the loopback
address, beside whatever else of Erlang runs here.
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
from auteur.devstack.ports import HOST, free_ports
from auteur.devstack.process import Process

SERVER = "rabbitmq-server"
SCRIPT = "lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
"""Below ``/usr``. The one that Debian puts on PATH starts nothing but the system's own service."""
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
    """A server, and where its Erlang is found."""

    script: Path
    path: str

    @property
    def epmd(self) -> str:
        """The port mapper."""
        return shutil.which("epmd", path=self.path) or "epmd"


def processes(data: Path, port: int, password: str) -> list[Process]:
    """The server and its port mapper, on ``data``, which is made on first use."""
    found = installation() or _fetched(_cache())
    data.mkdir(mode=0o700, exist_ok=True)
    values = {"host": HOST, "port": port, "user": RABBITMQ_USER, "password": password}
    # In a file, since a command line can be read by all users of the machine.
    write_private(data / "rabbitmq.conf", CONFIGURATION.format(**values))
    (data / "enabled_plugins").write_text("[].\n")
    mapper, distribution = free_ports(2)
    own = {
        "PATH": found.path,
        "HOME": str(data),  # of the cookie
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_ALLOW_INPUT": "1",  # no shell in between; `-noinput` says the opposite again
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
    others = {name: it for name, it in os.environ.items() if not name.startswith("RABBITMQ_")}
    return [
        Process(name="epmd", command=(found.epmd, "-port", str(mapper), "-address", HOST)),
        Process(
            name="rabbitmq",
            command=(str(found.script),),
            needs=("epmd",),
            ready=lambda: answers(port, password),
            environment=others | own,
            directory=data,
        ),
    ]


def answers(port: int, password: str) -> bool:
    """Whether it opens a connection for us."""
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


def installation() -> Installation | None:
    """What is on this machine, or was fetched before."""
    for usr in (Path("/usr"), _cache() / "usr"):
        for script in usr.glob(SCRIPT):
            erlang = str(usr / ERLANG_HOME.removeprefix("/usr/") / "bin")
            return Installation(script, os.pathsep.join([erlang, os.environ.get("PATH", "")]))
    if found := shutil.which(SERVER):
        return Installation(Path(found), os.environ.get("PATH", ""))
    return None


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "auteur" / "rabbitmq"


def _fetched(folder: Path) -> Installation:
    """Debian's packages, unpacked into ``folder``; raises ``StackError``."""
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg"))):
        raise StackError(MISSING)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        draft, packages = Path(name, "root"), Path(name, "packages")
        packages.mkdir()
        _run(["apt-get", "download", *_needed()], packages)
        for package in packages.iterdir():
            _run(["dpkg", "-x", str(package), str(draft)], packages)
        _move_erlang(draft, folder)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    if found := installation():
        return found
    raise StackError(MISSING)


def _needed() -> Iterable[str]:
    """The server's package and those of Erlang that it depends on."""
    listed = _run(["apt-cache", "depends", "--recurse", "--important", SERVER], Path.cwd())
    return sorted({line for line in listed.splitlines() if line.startswith((SERVER, "erlang-"))})


def _move_erlang(draft: Path, folder: Path) -> None:
    """Tell the one script that knows where it lies."""
    script = draft / ERLANG_HOME.lstrip("/") / "bin" / "erl"
    if script.exists():
        home = str(folder / ERLANG_HOME.lstrip("/"))
        script.write_text(script.read_text().replace(ERLANG_HOME, home))


def _run(command: list[str], directory: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        said = str(getattr(exc, "stderr", None) or exc).strip().splitlines() or ["no output"]
        raise StackError(f"{MISSING} {command[0]}: {said[-1]}") from exc
    return done.stdout
