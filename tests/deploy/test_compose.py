import re
import shlex
from pathlib import PurePosixPath
from string import Template
from typing import Any

import pytest

from auteur.devstack import postgres
from auteur.devstack.processes import PROGRAMS, Program
from tests.deploy.files import (
    OUR_IMAGE,
    OURS,
    compose,
    interpolated,
    services,
    settings_variables,
    text,
)

PLACES = {
    "HOST": "0.0.0.0",  # noqa: S104
    "API_PORT": "8000",
    "LIVE_PORT": "8001",
    "METRICS_PORT": "9464",
    "FLOWER_PORT": "5555",
}
STORES = ("postgres", "redis", "mongodb")
NOT_IN_PRODUCTION = {"DEBUG", "DEVELOPMENT_SIGN_IN"}
S3_ALONE = {"S3_BUCKET"}  # required with STORAGE_BACKEND=s3
PUBLIC = {"SUPABASE_JWKS_URL", "SUPABASE_ANON_KEY"}
UNITS = {"m": 1, "g": 1024}
MACHINE_MB, SYSTEM_MB = 8 * 1024, 1024
IN_THE_IMAGE = {"STATIC_ROOT"}
OF_MIGRATE_ALONE = {"MIGRATION_DATABASE_URL"}
SECRET_NAME = re.compile(
    r"PASSWORD|SECRET|KEY(?!S_KEPT_DAYS)|TOKEN|DATABASE_URL|REPLICA_URL|REDIS_URL|MONGODB_URI"
)


def closure(name: str) -> set[str]:
    """All that is up before a service starts."""
    before = set(services()[name].get("depends_on", {}))
    return before.union(*(closure(other) for other in before))


def environment(name: str) -> dict[str, str | None]:
    return services()[name].get("environment", {})


def test_our_services_are_the_processes_of_the_table() -> None:
    ours = {name for name, service in services().items() if service["image"] == OUR_IMAGE}
    assert ours == set(OURS)


@pytest.mark.parametrize("program", PROGRAMS, ids=OURS)
def test_a_service_runs_the_command_of_the_table(program: Program) -> None:
    expected = shlex.split(Template(program.command).substitute(PLACES))
    assert shlex.split(services()[program.name]["command"]) == expected


@pytest.mark.parametrize("program", PROGRAMS, ids=OURS)
def test_a_service_starts_after_what_its_program_builds_on(program: Program) -> None:
    assert {*program.needs, *program.uses} <= closure(program.name)


def test_dependencies_wait_for_what_can_be_waited_for() -> None:
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            target = services()[other]
            if target["restart"] == "no":
                assert how["condition"] == "service_completed_successfully", (name, other)
            else:
                assert how["condition"] == "service_healthy", (name, other)
                by_image = target["image"] == OUR_IMAGE
                assert not target.get("healthcheck", {}).get("disable", False), (name, other)
                assert by_image or "test" in target["healthcheck"], (name, other)


def test_what_it_sets_is_what_the_settings_read_and_nothing_is_missing() -> None:
    known = dict(settings_variables())
    values = {name.removesuffix("_FILE"): value for name, value in environment("api").items()}
    assert set(values) - set(known) == set()
    assert set(known) - set(values) == NOT_IN_PRODUCTION | IN_THE_IMAGE | OF_MIGRATE_ALONE
    required = {name for name, has_default in known.items() if not has_default}
    assert all(values[name] for name in required - NOT_IN_PRODUCTION - S3_ALONE)


def test_our_services_share_one_environment() -> None:
    own = {f"{name}_FILE" for name in OF_MIGRATE_ALONE}
    assert environment("migrate").keys() - environment("api").keys() == own
    for name in OURS:
        shared = {k: v for k, v in environment(name).items() if name != "migrate" or k not in own}
        assert shared == environment("api"), name


def test_migrate_reaches_a_database_elsewhere() -> None:
    networks = compose()["networks"]
    reached = [networks[name] or {} for name in services()["migrate"]["networks"]]
    assert not all(network.get("internal") for network in reached)
    assert set(services()["postgres"]["networks"]) <= set(services()["migrate"]["networks"])


@pytest.mark.parametrize("name", [*services()])
def test_secrets_come_as_files(name: str) -> None:
    service = services()[name]
    for variable, value in service.get("environment", {}).items():
        if SECRET_NAME.search(variable) and variable not in PUBLIC:
            assert variable.endswith("_FILE"), variable
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"], variable


def test_every_secret_is_declared_and_used() -> None:
    used = {secret for service in services().values() for secret in service.get("secrets", ())}
    assert used == set(compose()["secrets"])


def test_no_url_holds_a_password() -> None:
    files = ("docker-compose.yml", ".github/workflows/ci.yml", "deploy/Dockerfile")
    for path in files:
        assert not re.search(r"://[^/\s$@]*:[^/\s$@]+@", text(path)), path


@pytest.mark.parametrize(("name", "service"), services().items(), ids=[*services()])
def test_services_are_locked_down(name: str, service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] in {"unless-stopped", "no"}
    assert service.get("user", "") not in {"root", "0", "0:0"}
    assert "privileged" not in service
    assert "network_mode" not in service


@pytest.mark.parametrize("name", OURS)
def test_ours_can_write_to_tmp_only(name: str) -> None:
    service = services()[name]
    assert service["init"] is True
    assert service["tmpfs"] == ["/tmp"] or "scratch:/tmp" in service["volumes"]  # noqa: S108
    places = {volume.partition(":")[2] for volume in service["volumes"]}
    assert places <= {"/tmp", "/srv/auteur/objects", "/srv/auteur/flower"}  # noqa: S108


def test_caddy_alone_is_public() -> None:
    for name, service in services().items():
        for port in service.get("ports", []):
            assert name == "caddy" or port.startswith("127.0.0.1:"), (name, port)


def test_stores_are_out_of_reach_and_cannot_reach_out() -> None:
    networks = compose()["networks"]
    for name in STORES:
        assert all(networks[network]["internal"] for network in services()[name]["networks"])
    shared = set(services()["caddy"]["networks"]) & set(services()["postgres"]["networks"])
    assert not shared


def test_without_the_profile_nothing_waits_for_a_store_and_ours_reach_out() -> None:
    profiled = {name for name, service in services().items() if "profiles" in service}
    assert profiled == {*STORES, "partners"}
    assert all(services()[name]["profiles"] == ["embedded-stores"] for name in STORES)
    assert services()["partners"]["profiles"] == ["partners"]
    for name, service in services().items():
        waits = service.get("depends_on", {}).items()
        assert {other for other, how in waits if not how.get("required", True)} == {
            other for other, _ in waits if other in STORES
        }, name
    networks = compose()["networks"]
    for name in OURS:
        assert any(
            not (networks[network] or {}).get("internal")
            for network in services()[name]["networks"]
        )


def test_all_together_fit_a_machine_of_8_gb() -> None:
    limits = {
        name: service["deploy"]["resources"]["limits"]["memory"]
        for name, service in services().items()
        if service["restart"] != "no"  # it has ended before the others start
        and name != "partners"  # a profile of its own
    }
    sizes = {name: int(limit[:-1]) * UNITS[limit[-1]] for name, limit in limits.items()}
    assert sum(sizes.values()) <= MACHINE_MB - SYSTEM_MB, sizes


def test_flower_asks_for_a_login_and_keeps_its_history() -> None:
    values = services()["flower"]["environment"]
    assert values["FLOWER_LOGIN_FILE"] == "/run/secrets/flower_login"
    kept = {volume.partition(":")[2] for volume in services()["flower"]["volumes"]}
    assert str(PurePosixPath(values["FLOWER_HISTORY"]).parent) in kept
    assert "flower" not in text("deploy/Caddyfile")


def test_stores_keep_their_data_in_named_volumes() -> None:
    declared = set(compose()["volumes"])
    for name in STORES:
        assert services()[name]["volumes"][0].partition(":")[0] in declared


@pytest.mark.parametrize(
    ("name", "least"), [("postgres", 15), ("redis", 7), ("mongodb", 7)], ids=str
)
def test_stores_are_recent_enough(name: str, least: int) -> None:
    major = re.fullmatch(r"\w+:(\d+)", services()[name]["image"])
    assert major is not None
    assert int(major[1]) >= least


def test_files_that_are_mounted_exist() -> None:
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert text(source)


def test_redis_is_told_its_password_by_standard_input() -> None:
    shell, option, script = services()["redis"]["command"]
    assert (shell, option) == ("sh", "-c")
    lines = interpolated(script, {}).splitlines()
    assert lines[-2:] == ["requirepass $(cat /run/secrets/redis_password)", "END"]
    assert "requirepass" not in "".join(lines[:-2])


def test_postgres_is_told_what_the_embedded_one_is() -> None:
    result = {name for name, _, _ in (option.partition("=") for option in postgres.DURABLE)}
    command = shlex.split(services()["postgres"]["command"])
    values = {option.partition("=")[0] for option in command if "=" in option}
    assert values == result | {"shared_buffers", "max_connections"}
