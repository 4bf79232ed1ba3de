import sys
from pathlib import Path

from auteur.devstack.processes import PROGRAMS, build_command, has_ok_answer, list_processes

VALUES = {
    "API_PORT": "8001",
    "LIVE_PORT": "8003",
    "METRICS_PORT": "8002",
    "FLOWER_PORT": "5556",
}


def test_all_processes_of_the_system_are_in_the_table() -> None:
    assert [program.name for program in PROGRAMS] == [
        "migrate",
        "api",
        "live",
        "orchestrator",
        "worker-steps",
        "worker-cpu",
        "worker-media",
        "webhooks",
        "streams",
        "partners",
        "flower",
    ]


def test_commands_come_from_our_virtual_environment() -> None:
    commands = {program.name: build_command(program, VALUES) for program in PROGRAMS}
    assert commands["orchestrator"] == (sys.executable, "manage.py", "orchestrate")
    assert commands["api"][:3] == (sys.executable, "-m", "auteur.server")
    assert {"127.0.0.1:8001", "127.0.0.1:8002"} <= set(commands["api"])
    assert commands["flower"][0] == str(Path(sys.executable).with_name("celery"))
    assert "--port=5556" in commands["flower"]


def test_what_a_process_builds_on_is_there() -> None:
    names = {process.name for process in list_processes(VALUES)} | {"postgres", "redis", "mongodb"}
    for process in list_processes(VALUES):
        assert {*process.needs, *process.uses} <= names


def test_partners_are_served_where_their_profile_is_named() -> None:
    assert "partners" not in {process.name for process in list_processes(VALUES)}
    named = list_processes({**VALUES, "COMPOSE_PROFILES": "embedded-stores,partners"})
    assert "partners" in {process.name for process in named}


def test_streams_that_are_off_need_no_process() -> None:
    assert "streams" in {process.name for process in list_processes(VALUES)}
    off = list_processes({**VALUES, "STREAMS_SINK": "none"})
    assert "streams" not in {process.name for process in off}


def test_a_port_where_nobody_answers_is_not_healthy() -> None:
    assert not has_ok_answer(1, "/")
