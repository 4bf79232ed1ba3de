"""RabbitMQ for tests, where this machine has it: installed, or unpacked in the user's cache."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import amqp

from auteur.devstack.ports import find_free_ports

SCRIPT = "lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
USER, PASSWORD = "auteur", "a-password-of-rabbits"
START_SECONDS = 90
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 16000000
log.file = false
log.console = true
log.console.level = error
"""
ERLANG_OPTIONS = "-noinput +B i +S 1:1 -kernel inet_dist_use_interface {127,0,0,1}"


def found() -> tuple[Path, str] | None:
    """The server's script, and the folder of its Erlang."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for usr in (Path("/usr"), Path(base) / "auteur" / "rabbitmq" / "usr"):
        for script in usr.glob(SCRIPT):
            return script, str(usr / "lib" / "erlang" / "bin")
    return None


@contextlib.contextmanager
def running(data: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Its port and its process, until the block ends."""
    script, erlang = found() or (Path(), "")
    port, mapper, distribution = find_free_ports(3)
    values = {"port": port, "user": USER, "password": PASSWORD}
    (data / "rabbitmq.conf").write_text(CONFIGURATION.format(**values))
    (data / "enabled_plugins").write_text("[].\n")
    path = os.pathsep.join([erlang, os.environ["PATH"]])
    environment = os.environ | {
        "PATH": path,
        "HOME": str(data),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq.conf"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(data),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_MNESIA_BASE": str(data / "nodes"),
        "RABBITMQ_NODENAME": f"partners{port}@localhost",
        "RABBITMQ_PID_FILE": str(data / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_OPTIONS,
    }
    epmd = shutil.which("epmd", path=path) or "epmd"
    mapping = subprocess.Popen([epmd, "-port", str(mapper), "-address", "127.0.0.1"])
    server = subprocess.Popen(
        [script], env=environment, cwd=data, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(port)
        yield port, server
    finally:
        for process in (server, mapping):
            process.kill()
            process.wait()


def _wait_until_ready(port: int) -> None:
    limit = time.monotonic() + START_SECONDS
    while True:
        try:
            with amqp.Connection(f"127.0.0.1:{port}", USER, PASSWORD, connect_timeout=2):
                return
        except (OSError, amqp.exceptions.AMQPError):
            if time.monotonic() > limit:
                raise
            time.sleep(0.2)
