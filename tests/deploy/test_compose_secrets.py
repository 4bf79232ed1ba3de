import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from auteur.devstack.processes import BASE_DIR
from tests.deploy.container import OPERATOR, environment
from tests.deploy.files import compose, services

LOOK = """
import json
import django
django.setup()
from django.conf import settings
from media.storage import object_storage
print(json.dumps({
    "database": settings.DATABASES["default"],
    "owner": settings.MIGRATION_DATABASE,
    "redis": settings.REDIS_URL,
    "mongodb": settings.MONGODB_URI,
    "hosts": settings.ALLOWED_HOSTS,
    "origins": settings.CORS_ALLOWED_ORIGINS,
    "https": settings.HTTPS,
    "debug": settings.DEBUG,
    "callback": settings.GPU_CALLBACK_URL,
    "flower": settings.FLOWER_LOGIN,
    "put": object_storage().presigned_put("media/one", content_type="video/mp4"),
    "probe": object_storage().probe_source("media/one"),
}))
"""


def make_secrets(folder: Path) -> str:
    script = BASE_DIR / "deploy/compose-secrets.sh"
    command = ["sh", str(script), str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = tmp_path_factory.mktemp("deploy") / "secrets"
    make_secrets(result)
    return result


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != ".gitignore"}


def test_it_makes_the_secrets_that_compose_names(folder: Path) -> None:
    files = compose(), compose("deploy/compose.rabbitmq.yml")
    named = {Path(secret["file"]).name for file in files for secret in file["secrets"].values()}
    assert set(contents(folder)) == named


def test_all_are_different_long_and_without_line_ends(folder: Path) -> None:
    result = [value for value in contents(folder).values() if value]  # some are chosen or not used
    assert len(set(result)) == len(result)
    assert all(len(value) >= 20 and value.split() == [value] for value in result)


def test_only_the_owner_can_reach_them_and_git_cannot_add_them(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_containers_can_read_them(folder: Path) -> None:
    assert all((folder / name).stat().st_mode & stat.S_IROTH for name in contents(folder))


def test_a_second_run_keeps_what_is_there(folder: Path) -> None:
    before = contents(folder)
    assert make_secrets(folder) == ""
    assert contents(folder) == before


def test_a_password_of_the_operators_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "redis_password").write_text("chosen")
    make_secrets(tmp_path)
    assert contents(tmp_path)["redis_url"] == "redis://:chosen@redis:6379/0"


def test_output_names_files_and_shows_no_secret(tmp_path: Path) -> None:
    output = make_secrets(tmp_path / "new")
    result = contents(tmp_path / "new")
    assert all(name in output for name in result)
    assert not any(value in output for value in result.values() if value)


@pytest.mark.parametrize("without", OPERATOR)
def test_compose_asks_for_what_only_the_operator_knows(without: str) -> None:
    result = {name: value for name, value in OPERATOR.items() if name != without}
    with pytest.raises(AssertionError, match=without):
        environment("api", result, {})


def look(result: dict[str, str], folder: Path, name: str = "api") -> dict[str, Any]:
    """What the settings make of a container's environment, its secrets taken from ``folder``."""
    variables = environment(name, result, {"/run/secrets": str(folder)})
    variables |= {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "auteur.settings"}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", LOOK]
    run = subprocess.run(
        command, cwd=BASE_DIR, env=variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    seen: dict[str, Any] = json.loads(run.stdout)
    return seen


def test_migrations_alone_come_as_the_owner_of_the_tables(folder: Path) -> None:
    seen = look(OPERATOR, folder, "migrate")
    assert seen["database"]["USER"] == "auteur_app"
    assert seen["owner"]["USER"] == services()["postgres"]["environment"]["POSTGRES_USER"]
    assert seen["owner"]["PASSWORD"] == contents(folder)["postgres_password"]
    assert seen["owner"]["NAME"] == seen["database"]["NAME"]


def test_the_settings_start_with_that_environment(folder: Path) -> None:
    seen = look(OPERATOR, folder)
    result = contents(folder)
    assert seen["database"]["HOST"] == "postgres"
    assert seen["database"]["PASSWORD"] == urlsplit(result["database_url"]).password
    assert seen["owner"] == {}
    assert seen["redis"] == f"redis://:{result['redis_password']}@redis:6379/0"
    assert seen["mongodb"] == f"mongodb://auteur:{result['mongodb_password']}@mongodb:27017/auteur"
    assert seen["hosts"] == ["auteur.example.com", "api", "127.0.0.1"]
    own = "https://auteur.example.com"  # pages of the API's own origin ask `live`, at another port
    assert seen["origins"] == ["https://editor.example.com", "app://auteur", own]
    assert seen["https"] is True
    assert seen["debug"] is False
    assert seen["callback"] == "http://api:8000/internal/gpu-callback"

    assert seen["flower"] == result["flower_login"]
    assert seen["put"].startswith("https://auteur.example.com/storage/media/one?")
    assert seen["probe"] == "/srv/auteur/objects/objects/media/one"


def test_a_bucket_kept_elsewhere_is_told_by_variables(folder: Path) -> None:
    bucket = {
        "STORAGE_BACKEND": "s3",
        "S3_BUCKET": "films",
        "S3_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com",
        "S3_REGION": "weur",
    }
    seen = look(OPERATOR | bucket, folder)
    for url in (seen["put"], seen["probe"]):
        assert url.startswith("https://account.r2.cloudflarestorage.com/films/media/one?")
    (credential,) = parse_qs(urlsplit(seen["put"]).query)["X-Amz-Credential"]
    assert credential.startswith(f"{contents(folder)['s3_access_key_id']}/")
    assert "/weur/s3/" in credential
