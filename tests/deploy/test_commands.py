"""Every command of the image and of compose, run with exactly the variables that they set."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import requests

from auteur.devstack.supervisor import Supervisor
from tests.deploy import site as sites
from tests.deploy.container import OPERATOR, mapped
from tests.deploy.dockerfile import copy_context, stages
from tests.deploy.managed_redis import make_certificate, managed_redis
from tests.deploy.site import Site
from tests.deploy.test_compose_secrets import make_secrets
from tests.waiting import until

TOLD = OPERATOR | {"INFERENCE_ENGINE": "draft", "REDIS_CA_PATH": "/run/ca.pem"}
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
OVER_HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's folder, after the build steps that run our code."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    copy_context(folder)
    image = stages()[-1]
    values = {name: mapped(value, {"/app": str(folder)}) for name, value in image.env.items()}
    steps = [rest for name, rest in image.steps if name == "RUN" and "manage.py" in rest]
    assert steps
    for step in steps:
        subprocess.run(["sh", "-c", step], cwd=folder, env=values | {"PATH": PATH}, check=True)
    return folder


@pytest.fixture(scope="module")
def site(app: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Secrets by the script, stores of this run by URL alone: Redis with an ACL and TLS."""
    folder = tmp_path_factory.mktemp("site")
    secrets = folder / "secrets"
    secrets.mkdir()
    (folder / "flower").mkdir()
    with sites.database(secrets), managed_redis(folder / "redis") as redis_url:
        (secrets / "redis_url").write_text(redis_url)
        (secrets / "mongodb_uri").write_text(os.environ["MONGODB_URI"])
        make_secrets(secrets)
        places = {"/run/secrets": secrets, "/run/ca.pem": folder / "redis" / "ca.pem"}
        places |= {"/srv/auteur": folder, "/app": app}
        here = {place: str(path) for place, path in places.items()}
        yield Site(app, PATH, TOLD, here | sites.free_places())


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[Supervisor]:
    """All services of ours, started as compose starts them."""
    with sites.running(site, site.app.parent / "log") as supervisor:
        yield supervisor


def test_the_build_collects_the_files_that_are_served(app: Path) -> None:
    assert (app / "staticfiles" / "admin" / "css" / "base.css").is_file()


@pytest.mark.usefixtures("running")
def test_all_stores_answer_at_their_urls(site: Site) -> None:
    answer = requests.get(site.url("API_PORT", "/health/ready"), timeout=20)
    assert set(answer.json()["stores"].values()) == {"ok"}, answer.text


@pytest.mark.usefixtures("running")
def test_static_files_are_served(site: Site) -> None:
    url = site.url("API_PORT", "/static/admin/css/base.css")
    assert requests.get(url, headers=OVER_HTTPS, timeout=20).status_code == 200


@pytest.mark.usefixtures("running")
def test_a_worker_is_healthy_by_its_own_check(site: Site) -> None:
    assert until(partial(site.is_healthy, "worker-steps"), 30)


def test_flower_wants_its_login_and_keeps_its_history(running: Supervisor, site: Site) -> None:
    login = Path(site.places["/run/secrets"], "flower_login").read_text()
    lengths = "/api/queues/length"
    for path in ("/workers", "/api/workers", lengths):
        url = site.url("FLOWER_PORT", path)
        assert requests.get(url, timeout=20).status_code == 401, path
        assert requests.get(url, headers=basic("auteur:wrong"), timeout=20).status_code == 401
    answer = requests.get(site.url("FLOWER_PORT", lengths), headers=basic(login), timeout=20)
    assert answer.status_code == 200, answer.text
    running.stop()
    assert list(Path(site.places["/srv/auteur"], "flower").glob("history*"))


def basic(login: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


PING = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "auteur.settings"
import redis, kombu, limits.storage
from django.conf import settings
url = settings.REDIS_URL
clients = {
    "redis": lambda: redis.Redis.from_url(url).ping(),
    "kombu": lambda: kombu.Connection(url).ensure_connection(max_retries=1, timeout=2),
    "limits": lambda: limits.storage.storage_from_string(url).check(),
}
for name, ping in clients.items():
    try:
        print(name, "answers" if ping() else "is refused")
    except (OSError, redis.RedisError, kombu.exceptions.KombuError):
        print(name, "is refused")
"""


@pytest.mark.parametrize("trusted", ["the server's", "another"])
def test_no_client_of_redis_trusts_another_certificate(
    site: Site, tmp_path: Path, trusted: str
) -> None:
    result = dict(site.told)
    if trusted == "another":
        result["REDIS_CA_PATH"] = str(make_certificate(tmp_path, "other")[0])
    script = tmp_path / "ping.py"
    script.write_text(PING)
    done = replace(site, told=result).run(f"PYTHONPATH=. python {script}")
    answers = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    expected = "answers" if trusted == "the server's" else "is refused"
    assert answers == dict.fromkeys(("redis", "kombu", "limits"), expected), done.stderr
