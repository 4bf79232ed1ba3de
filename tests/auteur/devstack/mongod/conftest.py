"""A MongoDB server for these tests: ours as a subprocess, or the one that MONGODB_URI names."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

Document = dict[str, Any]
Client = MongoClient[Document]

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass
class ServerProcess:
    """One running server of ours."""

    process: subprocess.Popen[str]
    port: int

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?serverSelectionTimeoutMS=5000"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=10)
        return self.process.returncode


def spawn(dbpath: Path, *, port: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "auteur.devstack.mongod"]
    return subprocess.Popen(
        [*command, "--port", str(port), "--dbpath", str(dbpath)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(dbpath: Path) -> ServerProcess:
    process = spawn(dbpath)
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready.startswith("mongod: ready on "), process.communicate(timeout=10)
    return ServerProcess(process, int(ready.split(",")[0].rpartition(":")[2]))


@pytest.fixture(scope="session")
def real_uri() -> str:
    """The address of a real server, when the environment names one and it is not ours."""
    uri = os.environ.get("MONGODB_URI", "")
    if not uri:
        return ""
    client: Client = MongoClient(uri)
    with client:
        return "" if "auteur-embedded" in client.server_info()["modules"] else uri


@pytest.fixture
def embedded_only(real_uri: str) -> None:
    if real_uri:
        pytest.skip("about the embedded server alone")


@pytest.fixture(scope="session")
def mongodb_uri(real_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if real_uri:
        yield real_uri
        return
    server = start(tmp_path_factory.mktemp("mongod"))
    yield server.uri
    assert server.terminate() == 0


@pytest.fixture
def start_server(tmp_path: Path, embedded_only: None) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers of our own on a folder, for what only they promise."""
    servers: list[ServerProcess] = []

    def start_one(folder: str = "data") -> ServerProcess:
        servers.append(start(tmp_path / folder))
        return servers[-1]

    yield start_one
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def client(mongodb_uri: str) -> Iterator[Client]:
    connected: Client = MongoClient(mongodb_uri)
    with connected:
        yield connected


@pytest.fixture
def database(client: Client) -> Iterator[Database[Document]]:
    name = f"auteur_test_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def clips(database: Database[Document]) -> Collection[Document]:
    return database["clips"]
