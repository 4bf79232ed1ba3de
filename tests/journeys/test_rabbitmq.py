"""RabbitMQ as Celery's broker, with real processes: killed, hung, and workers killed on it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp
import psutil
import pytest
import redis
import requests

from auteur.devstack.environment import RABBITMQ_USER
from auteur.devstack.ports import HOST, find_free_ports
from auteur.devstack.processes import BASE_DIR
from tests.deploy.managed_redis import make_certificate, tls_before
from tests.journeys.client import Person
from tests.journeys.stack import JourneyStack
from tests.waiting import until

pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.parametrize("stack", ["rabbitmq_stack"], indirect=True),
]

DONE_WITHIN = 90.0
CALLS = "gpu.cpu"
LONG_SECONDS = 4
CREDITS = 100
EMAIL = "on-rabbitmq@example.com"
ANSWERED_WITHIN = 20.0  # by whoever asks a RabbitMQ that hangs


@pytest.fixture(scope="module")
def person(rabbitmq_stack: JourneyStack) -> Person:
    """One user for all of these."""
    token = rabbitmq_stack.manage("issue_token", "--email", EMAIL)
    rabbitmq_stack.manage("grant_credits", "--email", EMAIL, "--amount", str(CREDITS))
    return Person(rabbitmq_stack, token)


@contextmanager
def channel(stack: JourneyStack) -> Iterator[amqp.Channel]:
    """Ours to its RabbitMQ."""
    address = f"{HOST}:{stack.env['RABBITMQ_PORT']}"
    with (
        amqp.Connection(address, RABBITMQ_USER, stack.env["RABBITMQ_PASSWORD"]) as connection,
        connection.channel() as opened,
    ):
        yield opened


def is_quorum(stack: JourneyStack, queue: str) -> bool:
    """Whether a queue is there and can be declared as one."""
    with channel(stack) as opened:
        opened.queue_declare(queue, passive=True)
        arguments = {"x-queue-type": "quorum"}
        opened.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    return True


def noop(person: Person, seconds: float) -> str:
    """Ask for a job that takes so long; its id."""
    return str(person.post("/jobs/noop", {"seconds": seconds, "price": 1})["job_id"])


def stores(stack: JourneyStack) -> tuple[int, str]:
    """What is said of RabbitMQ, and with which status."""
    answer = requests.get(f"{stack.api_url}/health/ready", timeout=ANSWERED_WITHIN)
    return answer.status_code, answer.json()["stores"]["rabbitmq"]


def test_a_job_comes_to_its_end_and_no_message_through_redis(
    stack: JourneyStack, person: Person
) -> None:
    assert person.wait_for(noop(person, 0), DONE_WITHIN)["status"] == "completed"
    assert stores(stack) == (200, "ok")
    assert all(is_quorum(stack, queue) for queue in ("jobs.noop", "jobs.completed", CALLS))
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        assert not [key for key in client.scan_iter() if b"kombu" in key or key == CALLS.encode()]
    with channel(stack) as opened, pytest.raises(amqp.NotFound):
        opened.exchange_declare("celery_delayed_27", "topic", passive=True)


def test_it_listens_here_alone_and_no_command_line_shows_its_password(
    stack: JourneyStack, person: Person
) -> None:
    for process in map(stack.process, ("epmd", "rabbitmq")):
        listening = [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::1"}
        assert stack.env["RABBITMQ_PASSWORD"] not in str(process.cmdline())


PING = """
import django
django.setup()
from auteur.core.work import broker
try:
    broker.ping()
except broker.BROKER_OUTAGES as exc:
    print("refused")
else:
    print("answers")
"""


@pytest.mark.parametrize(
    ("shown", "trusted", "said"),
    [
        ("ours", "ours", "answers"),
        ("ours", "other", "refused"),
        ("elsewhere", "elsewhere", "refused"),
    ],
)
def test_a_certificate_is_checked_and_the_name_in_it(
    stack: JourneyStack, tmp_path: Path, shown: str, trusted: str, said: str
) -> None:
    values = {
        "ours": make_certificate(tmp_path, "ours"),
        "other": make_certificate(tmp_path, "other"),
        "elsewhere": make_certificate(tmp_path, "elsewhere", "broker.example.com"),
    }
    [port] = find_free_ports(1)
    account = f"{RABBITMQ_USER}:{stack.env['RABBITMQ_PASSWORD']}"
    expected_body = {
        "CELERY_BROKER_URL": f"amqps://{account}@localhost:{port}//",
        "CELERY_BROKER_CA_PATH": str(values[trusted][0]),
    }
    with tls_before(int(stack.env["RABBITMQ_PORT"]), port, values[shown]):
        done = subprocess.run(
            [sys.executable, "-c", PING],
            cwd=BASE_DIR,
            env=stack.env | expected_body | {"DJANGO_SETTINGS_MODULE": "auteur.settings"},
            capture_output=True,
            text=True,
            timeout=DONE_WITHIN,
            check=False,
        )
    assert done.stdout.strip() == said, done.stderr


def test_jobs_outlive_a_rabbitmq_killed_in_the_middle(stack: JourneyStack, person: Person) -> None:
    first = noop(person, LONG_SECONDS)
    person.wait_for_progress(first, DONE_WITHIN)
    stack.process("rabbitmq").kill()
    second = noop(person, 0)  # taken with RabbitMQ away
    assert until(lambda: stores(stack)[1] == "away", ANSWERED_WITHIN)
    assert stores(stack)[0] == 200
    assert person.wait_for(first, DONE_WITHIN)["status"] == "completed"
    assert person.wait_for(second, DONE_WITHIN)["status"] == "completed"


def test_a_worker_takes_no_more_calls_than_it_has_processes_and_killed_it_loses_none(
    stack: JourneyStack, person: Person
) -> None:
    """What it held back would wait for it though another worker is free."""
    balance = person.get("/credits")["balance"]
    calls = [noop(person, LONG_SECONDS) for _ in range(3)]

    def waiting() -> int:
        with channel(stack) as opened:
            return int(opened.queue_declare(CALLS, passive=True).message_count)

    assert until(waiting, DONE_WITHIN) == 1
    for process in [stack.process("worker-cpu"), *stack.children("worker-cpu")]:
        process.kill()
    assert {person.wait_for(job_id, DONE_WITHIN)["status"] for job_id in calls} == {"completed"}
    assert person.get("/credits")["balance"] == balance - len(calls)


ASK = """
import os, signal, time
from auteur.core.work import broker
from celery import current_app

QUEUES = ["asked.never", "asked.once"]

def seconds_to_fail(act):
    began = time.monotonic()
    try:
        act()
    except broker.BROKER_OUTAGES:
        return time.monotonic() - began

def send():
    current_app.send_task("nobody.knows", queue="asked.once")

assert broker.count_messages(QUEUES) == {{"asked.never": 0, "asked.once": 0}}
send()
assert broker.count_messages(QUEUES) == {{"asked.never": 0, "asked.once": 1}}
os.kill({pid}, signal.SIGSTOP)
try:
    print(seconds_to_fail(lambda: broker.count_messages(QUEUES)))
finally:
    os.kill({pid}, signal.SIGCONT)
send()
assert broker.count_messages(QUEUES)["asked.once"] >= 2
"""


def test_what_waits_is_told_and_a_rabbitmq_that_hangs_is_not_waited_for(
    stack: JourneyStack,
) -> None:
    script = ASK.format(pid=stack.process("rabbitmq").pid)
    assert float(stack.manage("shell", "-v", "0", "-c", script)) < ANSWERED_WITHIN
