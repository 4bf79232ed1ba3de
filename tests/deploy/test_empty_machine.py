"""`make test-image`: a Debian with Python alone, from a clone to a finished job over S3 by URL."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from auteur.devstack.processes import BASE_DIR
from tests.deploy import chroot
from tests.deploy.test_chroot import image_folder

PACKAGES = "ca-certificates,git,make,python3,python3-venv"
BUCKET, SOMEBODY = "auteur", "1000"
KEYS = {"S3_ACCESS_KEY_ID": "someone", "S3_SECRET_ACCESS_KEY": "not-a-real-secret"}
RUNNING = f'{chroot.MOUNTS}exec chroot --userspec={SOMEBODY}:{SOMEBODY} "$1" sh -c "$2"'
pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]


@pytest.fixture
def s3() -> Iterator[str]:
    """The URL of an S3 server with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client_of(f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
    yield f"http://{host}:{port}"
    server.stop()


def client_of(url: str) -> Any:
    """A client with the keys that the machine is given."""
    key_id, secret = KEYS.values()
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


@pytest.fixture
def machine() -> Path:
    """Its file system: Debian, and a clone in somebody's home."""
    folder = image_folder() / "bare"
    if not folder.exists():
        chroot.bootstrap(folder, PACKAGES)
        subprocess.run(["chroot", folder, "useradd", "--uid", SOMEBODY, "somebody"], check=True)
    home = folder / "home" / "somebody"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", str(BASE_DIR), str(home / "auteur")], check=True)
    subprocess.run(["chown", "-R", f"{SOMEBODY}:{SOMEBODY}", str(home)], check=True)
    return folder


def test_a_clone_becomes_a_finished_job(machine: Path, s3: str) -> None:
    environment = chroot.network() | KEYS
    environment |= {"PATH": chroot.PATH, "HOME": "/home/somebody", "LANG": "C.UTF-8"}
    environment |= {"STORAGE_BACKEND": "s3", "S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": s3}
    command = "cd /home/somebody/auteur && make demo"
    words = ["unshare", "--mount", "sh", "-c", RUNNING, "run", str(machine), command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "completed" in done.stdout
    stored = client_of(s3).list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [item["Key"] for item in stored if "/media/" in item["Key"]]
