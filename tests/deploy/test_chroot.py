"""`make test-image`: the image is built without Docker, and its services do a job."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from auteur_client import Auteur

from auteur.devstack.processes import BASE_DIR
from tests.deploy import chroot
from tests.deploy import site as sites
from tests.deploy.container import OPERATOR
from tests.deploy.dockerfile import stages
from tests.deploy.site import Site
from tests.deploy.test_compose import PLACES
from tests.deploy.test_compose_secrets import make_secrets
from tests.waiting import until

FILM = BASE_DIR / "auteur/devstack/samples/interview.mp4"
pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]


def image_folder() -> Path:
    """Where what is slow to fetch is kept between runs; skips where nothing can be built."""
    if "IMAGE_DIR" not in os.environ:
        pytest.skip("builds an image for minutes: make test-image")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if missing := [name for name in chroot.PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install debootstrap")
    folder = Path(os.environ["IMAGE_DIR"]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def image() -> Path:
    """The image's file system."""
    return chroot.build(image_folder(), {"ENGINES": os.environ.get("ENGINES", "")})


@pytest.fixture(scope="module")
def site(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Our services in it, at the stores of this run."""
    folder = tmp_path_factory.mktemp("image-site")
    secrets = folder / "secrets"
    secrets.mkdir()
    for name in ("objects", "flower"):
        (folder / name).mkdir()
        os.chown(folder / name, 10001, 10001)
    places = sites.free_places()
    url = f"127.0.0.1:{places[PLACES['API_PORT']]}"
    result = OPERATOR | {"SCHEME": "http", "SITE_HOST": url}
    result |= {"GPU_CALLBACK_URL": f"http://{url}/internal/gpu-callback", "SIGNUP_CREDITS": "100"}
    path = stages()[-1].env["PATH"].replace("$PATH", chroot.PATH)
    with sites.database(secrets):
        (secrets / "redis_url").write_text(os.environ["REDIS_URL"])
        (secrets / "mongodb_uri").write_text(os.environ["MONGODB_URI"])
        make_secrets(secrets)
        running = Site(image, path, result, places, chroot.entering(image, secrets, folder))
        with sites.running(running, folder / "log"):
            yield running


def test_it_carries_no_draft_engine_that_nobody_asked_for(image: Path) -> None:
    packages = {path.name for path in image.glob("opt/venv/lib/python3*/site-packages/*")}
    assert "django" in packages
    assert ("rapidocr" in packages) == (os.environ.get("ENGINES") == "drafts")
    assert not list(image.glob("app/**/*.env")) + list(image.glob("app/**/secrets"))


def test_it_runs_as_nobody_in_particular_and_writes_where_it_may(site: Site) -> None:
    assert site.run("id -u").stdout.strip() == "10001"
    for folder in ("/app", "/opt/venv", "/srv/auteur", "/etc"):
        assert site.run(f"touch {folder}/new").returncode != 0, folder
    for folder in ("/tmp", "/srv/auteur/objects", "/srv/auteur/flower"):  # noqa: S108
        assert site.run(f"touch {folder}/new").returncode == 0, folder


def test_every_service_is_healthy(site: Site) -> None:
    for service in ("api", "worker-steps", "worker-cpu", "flower"):
        assert until(lambda service=service: site.is_healthy(service), 60)  # type: ignore[misc]


def test_a_job_is_done(site: Site) -> None:
    token = site.run("python manage.py issue_token --email someone@example.com").stdout.strip()
    with Auteur(site.url("API_PORT"), token) as auteur:
        media = auteur.upload(FILM, auteur.create_project("Image").id)
        auteur.run("compression", media_id=media.id, target="180kB")


def test_the_storage_will_do(site: Site) -> None:
    result = site.run("python manage.py storage_check")
    assert result.returncode == 0, result.stdout + result.stderr
