import re
import tomllib

from tests.deploy.files import compose, text

SECRET_NAME = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, comments out and continued lines joined."""
    lines = (line for line in text("deploy/Dockerfile").splitlines() if not line.startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    split = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, _, rest in split]


def values(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def test_it_is_built_in_stages_on_the_projects_python() -> None:
    version = text(".python-version").strip()
    bases = [value.split()[0] for value in values("FROM")]
    assert len(bases) > 1
    assert all(base.startswith(f"python:{version}-slim") for base in bases)


def test_what_the_builder_holds_stays_behind_but_for_the_packages() -> None:
    assert [copy for copy in values("COPY") if "--from" in copy] == [
        "--from=builder /opt/venv /opt/venv"
    ]


def test_it_runs_as_a_user_without_a_name_that_owns_none_of_it() -> None:
    last_user = max(i for i, (name, _) in enumerate(instructions()) if name == "USER")
    uid, _, gid = instructions()[last_user][1].partition(":")
    assert int(uid) >= 10_000
    assert int(gid) >= 10_000
    assert not {"RUN", "COPY", "ADD"} & {name for name, _ in instructions()[last_user:]}
    assert "chown" not in text("deploy/Dockerfile")


def test_packages_are_the_locked_ones() -> None:
    install = next(run for run in values("RUN") if "uv pip install" in run)
    assert "--require-hashes" in install
    assert "requirements/prod.txt ." in values("COPY")
    assert text("requirements/prod.txt").count("--hash=sha256:") > 100


def test_uv_is_the_one_of_the_lock() -> None:
    pinned = re.search(r"\buv==(\S+)", text("deploy/Dockerfile"))
    locked = re.search(r"^uv==(\S+)", text("requirements/dev.txt"), re.MULTILINE)
    assert pinned is not None
    assert locked is not None
    assert pinned[1] == locked[1]


def test_no_secret_is_kept_in_a_layer() -> None:
    assert not values("ARG")
    assert not any(SECRET_NAME.search(value) for value in values("ENV"))


def test_static_files_are_collected_where_the_settings_are_told_to_look() -> None:
    order = [f"{name} {rest}" for name, rest in instructions()]
    told = next(i for i, line in enumerate(order) if "STATIC_ROOT=/app/staticfiles" in line)
    collected = next(i for i, line in enumerate(order) if "manage.py collectstatic" in line)
    assert order[told].startswith("ENV ")
    assert order.index("FROM python:3.11-slim-bookworm") < told < collected


def test_its_health_is_asked_for() -> None:
    (check,) = values("HEALTHCHECK")
    assert "http://127.0.0.1:8000/health/live" in check


def test_the_build_context_is_a_list_of_what_may_enter() -> None:
    lines = [line for line in text(".dockerignore").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["root_packages"]
    assert allowed == {*packages, "celeryconfig.py", "manage.py", "requirements/prod.txt"}
    assert "auteur/devstack" in lines


def test_compose_builds_this_file() -> None:
    build = compose()["services"]["migrate"]["build"]
    assert build == {"context": ".", "dockerfile": "deploy/Dockerfile"}
