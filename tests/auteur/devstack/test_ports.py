import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from auteur.devstack import ports
from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR


def test_the_defaults() -> None:
    chosen = ports.read_ports({})
    assert (chosen.api, chosen.flower) == (8000, 5555)
    assert set(chosen.by_variable()) == set(ports.DEFAULTS)


def test_a_variable_changes_a_port() -> None:
    assert ports.read_ports({"REDIS_PORT": "6400"}).redis == 6400


@pytest.mark.parametrize("text", ["1", "65535"])
def test_ports_at_the_edge(text: str) -> None:
    assert ports.read_ports({"API_PORT": text}).api == int(text)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80.0", "٣"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(StackError, match="API_PORT is"):
        ports.read_ports({"API_PORT": text})


def test_two_servers_cannot_share_a_port() -> None:
    with pytest.raises(StackError, match="API_PORT and FLOWER_PORT are both 5555"):
        ports.read_ports({"API_PORT": "5555"})


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_port_where_something_listens_is_not_free(host: str) -> None:
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_free_ports_differ_and_are_none_of_outgoing_connections() -> None:
    result = ports.find_free_ports(20)
    assert len(set(result)) == 20
    assert max(result) < 32_768  # from here on, Linux takes them for outgoing connections


def test_no_two_processes_get_the_same_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.find_free_ports(1)[0]
    monkeypatch.setattr(ports, "QUIET_RANGE", range(port, port + 1))
    assert ports.find_free_ports(1) == [port]  # ours for as long as we live
    code = f"from auteur.devstack import ports; ports.QUIET_RANGE = range({port}, {port + 1})"
    code += "; print(ports.find_free_ports(1))"
    another = [sys.executable, "-c", code]
    assert subprocess.check_output(another, cwd=BASE_DIR, text=True) == "[]\n"


def test_a_taken_port_is_one_line_and_nothing_starts(tmp_path: Path) -> None:
    numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
    chosen = dict(zip(ports.DEFAULTS, numbers, strict=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "auteur.devstack", "run", "--var", str(tmp_path / "var")],
            cwd=BASE_DIR,
            env=os.environ | chosen | {"MONGODB_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"Port {port} is taken by another program: stop it, "
        "or choose another port with MONGODB_PORT=<number>.\n"
    )
    assert not (tmp_path / "var" / "postgres").exists()
