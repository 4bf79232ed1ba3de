"""What the pages show was really asked and answered, by the contract and at today's price."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from auteur.devstack import ports
from auteur.help import codes, edl, features, snippets
from auteur.help.links import ROOT
from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack

FILM = ROOT / "docs" / "examples" / "film"
FEATURES = features.list_own_features()


def valid(value, name):
    schema = {**codes.read_contract(), "$ref": f"#/components/schemas/{name}"}
    Draft202012Validator(schema).validate(value)


def body_of(slug):
    operation = codes.read_contract()["paths"][f"/jobs/{slug}"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    return content["schema"]["$ref"].rpartition("/")[2]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.slug)
def test_a_features_example_is_by_the_contract(feature):
    kept = features.read_example(feature)
    valid(kept["request"], body_of(feature.slug))
    valid(kept["job"], "Job")
    job = kept["job"]
    assert (job["type"], job["status"]) == (feature.name, "completed")
    assert set(kept["request"]) <= set(job["input_params"])


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.slug)
def test_a_features_example_was_made_at_its_price(feature):
    kept = features.read_example(feature)
    assert kept["tariff"] == dict(feature.rates)
    measured = kept["request"].get(feature.measured)
    if not feature.measured.endswith("_id") and measured is not None:
        assert kept["job"]["credits_cost"] == feature.price({feature.measured: measured})


def test_no_example_holds_a_signature():
    text = "".join(file.read_text() for file in features.EXAMPLES.iterdir())
    assert "signature" not in text.lower()
    assert "127.0.0.1" not in text
    assert "?" not in "".join(part for part in text.split('"') if part.startswith("http"))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.slug)
def test_a_page_asks_in_python_what_was_asked(feature):
    asked = features.read_example(feature)["request"]
    values = []

    class Asked:
        output_data = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def run(self, slug, **parameters):
            values.append((slug, parameters))
            return self

    code = snippets.build_python(feature.slug, asked).partition("\n")[2]
    exec(compile(code, "page", "exec"), {"Auteur": Asked})  # noqa: S102
    assert values == [(feature.slug, asked)]


def test_an_edls_example_is_by_the_contract():
    for example in edl.read_examples().values():
        valid({"operations": example}, "PatchedOperationsRequest")
        edl.apply_operations(example)


@pytest.fixture(scope="module")
def env(shared_stack: JourneyStack) -> dict[str, str]:
    token = shared_stack.manage("issue_token", "--email", "film@example.com")
    shared_stack.manage("grant_credits", "--email", "film@example.com", "--amount", "50")
    live = f"http://{ports.HOST}:{shared_stack.env['LIVE_PORT']}"
    return {"AUTEUR_URL": shared_stack.api_url, "AUTEUR_TOKEN": token, "AUTEUR_LIVE_URL": live}


def run(env: dict[str, str], *command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.parametrize("name", ["film.sh", "film.py"])
def test_the_film_of_the_guides_is_made(env, tmp_path, name):
    if name == "film.py" and find_spec("auteur_client") is None:
        pytest.skip("clients/python is not installed")
    film = tmp_path / "film.mp4"
    program = sys.executable if name == "film.py" else "sh"
    result = run(env, program, FILM / name, INTERVIEW, film)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "-->" in result.stdout
    assert "cut_silences" in result.stdout
    assert film.read_bytes()[4:8] == b"ftyp"


def test_the_program_of_the_guides_ends_with_the_reason_when_its_file_is_refused(env, tmp_path):
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear all,")
    result = run(env, "sh", FILM / "film.sh", letter, tmp_path / "film.mp4")
    assert result.returncode == 1
    assert '"upload_rejected"' in result.stderr


def test_the_program_of_the_guides_ends_when_its_job_cannot_be_read(env, tmp_path):
    """The snippet that the quickstart shows, with a job that does not exist."""
    client, wait = (
        (FILM / "film.sh").read_text().split(f"[start:{part}]\n")[1].split("# --8<--")[0]
        for part in ("client", "wait")
    )
    program = f"set -eu\n{client}{wait}\njob=$(wait_for {uuid4()})\necho after\n"
    result = run(env, "sh", "-c", program)
    assert result.returncode == 1
    assert '"not_found"' in result.stderr
    assert "after" not in result.stdout
