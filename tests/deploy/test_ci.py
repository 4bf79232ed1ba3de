import os
import re
import subprocess
from typing import Any

import yaml

from auteur.devstack.processes import BASE_DIR
from tests.deploy.files import services, text
from tests.services import URL_OF_STORE


def workflow() -> dict[str, Any]:
    return yaml.safe_load(text(".github/workflows/ci.yml"))


def steps(job: str) -> list[dict[str, Any]]:
    return workflow()["jobs"][job]["steps"]


def commands(job: str) -> list[str]:
    return [step["run"] for step in steps(job) if "run" in step]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))


def test_the_workflow_makes_what_the_makefile_has() -> None:
    result = [line.split()[1] for line in commands("test") if line.startswith("make ")]
    assert result == ["setup", "check", "test"]
    assert set(result) <= targets()


def test_chaos_has_defaults_for_all_that_it_is_told() -> None:
    clean = {"PATH": os.environ["PATH"]}  # a `make` around this one hands its variables down
    result = subprocess.run(
        ["make", "-n", "chaos"], cwd=BASE_DIR, env=clean, capture_output=True, text=True, check=True
    )
    assert "--backend local --broker redis --sink redis" in result.stdout


def test_coverage_is_shown_on_the_page_of_the_run() -> None:
    measure, show = commands("coverage")
    assert measure == "make coverage"
    assert "coverage report" in show
    assert show.endswith('>> "$GITHUB_STEP_SUMMARY"')


def test_its_tests_use_real_services_of_the_versions_that_compose_runs() -> None:
    job = workflow()["jobs"]["test"]
    assert {name: service["image"] for name, service in job["services"].items()} == {
        name: services()[name]["image"] for name in ("postgres", "redis", "mongodb")
    }
    (test,) = (step for step in job["steps"] if step.get("run") == "make test")
    assert set(test["env"]) == set(URL_OF_STORE.values())
    for store, variable in URL_OF_STORE.items():
        (port,) = job["services"][store]["ports"]
        assert f"127.0.0.1:{port.partition(':')[0]}" in test["env"][variable]


def test_it_may_only_read_and_gives_way_to_a_newer_run() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    assert workflow()["concurrency"]["cancel-in-progress"] is True
    assert all("permissions" not in job for job in workflow()["jobs"].values())


def test_actions_are_pinned() -> None:
    for job in workflow()["jobs"]:
        for step in steps(job):
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])


def test_it_starts_the_stack_with_all_that_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", text("docker-compose.yml")))
    assert asked <= set(workflow()["jobs"]["stack"]["env"])
    order = ["sh deploy/compose-secrets.sh", "docker compose config", "docker compose up"]
    result = [i for start in order for i, c in enumerate(commands("stack")) if c.startswith(start)]
    assert len(result) == len(order)
    assert result == sorted(result)


def test_ci_run_is_the_test_command_and_nothing_after_it() -> None:
    script = BASE_DIR / ".ci/run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert [line for line in lines if line.startswith("make ")] == ["make check", "make test"]
    assert lines[-1] == "make test"


def test_hooks_are_local_and_steps_of_make_check() -> None:
    config = yaml.safe_load(text(".pre-commit-config.yaml"))
    recipe = text("Makefile").partition("\ncheck:")[2].partition("\n\n")[0]
    recipe = recipe.replace("$(VENV)", ".venv").replace("$(PYTHON)", ".venv/bin/python")
    recipe = recipe.replace(" --check", "")
    for repository in config["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            assert hook["language"] == "system"
            command = hook["entry"].removesuffix(" --force-exclude")
            assert command in recipe
    assert sum(len(repository["hooks"]) for repository in config["repos"]) == recipe.count("@")
