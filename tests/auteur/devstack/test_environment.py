import itertools
import re
import stat
from pathlib import Path

import environ
import pytest

from auteur.devstack import environment, ports
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.stack import create_folders

READ_BY_SETTINGS = re.compile(r"""\benv(?:iron)?\.\w+\(\s*"([A-Z0-9_]+)\"""")


@pytest.fixture
def var(tmp_path: Path) -> Path:
    create_folders(tmp_path / "var")
    return tmp_path / "var"


def prepare(var: Path, **environ: str) -> dict[str, str]:
    return environment.write_environment(var, ports.read_ports(environ))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_kept(var: Path) -> None:
    first = prepare(var)
    second = prepare(var, API_PORT="9000")
    assert {first[name] for name in environment.SECRETS} == {
        second[name] for name in environment.SECRETS
    }
    assert len({first[name] for name in environment.SECRETS}) == len(environment.SECRETS)
    assert all(len(first[name]) >= environment.SECRET_BYTES for name in environment.SECRETS)


def test_two_stacks_share_no_secret(tmp_path: Path) -> None:
    for name in ("a", "b"):
        create_folders(tmp_path / name)
    one, other = prepare(tmp_path / "a"), prepare(tmp_path / "b")
    assert not {one[name] for name in environment.SECRETS} & set(other.values())


def test_addresses_follow_the_ports(var: Path) -> None:
    prepare(var)
    values = prepare(var, API_PORT="9000", POSTGRES_PORT="9001")
    assert values["PUBLIC_URL"] == "http://127.0.0.1:9000"
    assert values["DATABASE_URL"].endswith("@127.0.0.1:9001/auteur")


def test_only_the_owner_reads_it(var: Path) -> None:
    prepare(var)
    environment.get_staff_password(var)
    assert mode(var / "stack.env") == mode(var / "staff-password") == 0o600
    assert mode(var / "log") == mode(var / "objects") == 0o700


def test_settings_read_it_as_it_was_written(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = prepare(var)
    for name in values:
        monkeypatch.delenv(name, raising=False)
    env = environ.Env()
    env.read_env(var / "stack.env")
    try:
        assert {name: env.str(name) for name in values} == values
    finally:
        for name in values:
            monkeypatch.delenv(name, raising=False)


def test_it_has_all_that_settings_require(var: Path) -> None:
    source = (BASE_DIR / "auteur" / "settings.py").read_text()
    required = set(re.findall(r"""env\.\w+\("([A-Z0-9_]+)"\)""", source))
    only_s3 = {name for name in required if name.startswith("S3_")}
    assert required - only_s3 <= set(prepare(var))


def test_the_example_names_every_variable_of_the_settings() -> None:
    named = set(READ_BY_SETTINGS.findall((BASE_DIR / "auteur" / "settings.py").read_text()))
    assert len(named) > 30
    example = (BASE_DIR / ".env.example").read_text()
    output = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))
    assert named - output == set()
    assert output - named - set(ports.DEFAULTS) == {"NAME_FILE"}


def test_each_variable_of_the_example_is_explained() -> None:
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    ports_of_stack = tuple(f"# {name}=" for name in ports.DEFAULTS)
    for before, line in itertools.pairwise(lines):
        if re.match(r"(# )?[A-Z0-9_]+=", line) and not line.startswith(ports_of_stack):
            assert re.match(r"# [^=]+[.:;]", before), f"no word about {line}"


def test_children_do_not_inherit_files_that_would_win() -> None:
    values = {"REDIS_URL": "redis://here"}
    inherited = {"REDIS_URL": "redis://there", "REDIS_URL_FILE": "/there", "HOME": "/home"}
    of_children = environment.build_child_environment(values, inherited)
    assert of_children["REDIS_URL"] == "redis://here"
    assert "REDIS_URL_FILE" not in of_children
    assert of_children["HOME"] == "/home"
