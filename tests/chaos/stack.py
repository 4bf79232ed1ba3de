"""The stack under test, with proxies in front of its stores and its API, and points to die at."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import jwt
import psutil
import psycopg
import redis

from auteur.devstack import ports, stack_state
from auteur.devstack.processes import BASE_DIR
from tests.chaos import audit, disk, orchestrator, supervise
from tests.chaos.callbacks import CallbackRelay
from tests.chaos.doubling import Doubling
from tests.chaos.doubling_amqp import AmqpDoubling
from tests.chaos.objects import ObjectStore
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.rabbitmq import Queues
from tests.chaos.sinks import KafkaRecords, Records, RedisRecords
from tests.jobs.integrations.streams import mock_cluster
from tests.journeys.stack import JourneyStack
from tests.modal_peer.control import RemoteBook
from tests.modal_peer.scenario import Scenario
from tests.waiting import until

PLUGINS = (BASE_DIR / "tests" / "plugins", BASE_DIR / "tests" / "chaos" / "plugins")
CONCURRENCY = 4  # calls of the suite's jobs only sleep
CREDITS = 100_000
TOKEN_SECONDS = 3600
FIRE_SECONDS = 30.0
STORES = ("postgres", "redis")
OURS = ("api", "live", "orchestrator", "webhooks", "streams", "worker-steps", "worker-media")
QUEUE_NAMES = (
    "from jobs import publishing as p; print(*p.step_queues(), *p.cpu_queues(), *p.media_queues())"
)
INFERENCE = {"local": "worker-cpu", "modal": "modal-peer"}
"""Which process runs the calls of each backend."""
SINKS = ("redis", "kafka")
STORAGES = ("folder", "small disk", "s3")
SMALL_DISK_BYTES = 32 * 2**20


class ChaosStack(JourneyStack):
    """API, orchestrator, workers, PostgreSQL and Redis, and the means to hurt them.

    With the backend ``modal`` there is the peer of `tests.modal_peer` in place of the CPU worker;
    with the sink ``kafka`` streams go to librdkafka's mock cluster, which no proxy stands before.
    Objects lie in a folder, in a folder on a small disk, or in the S3 server of `objects`.
    """

    COMMAND: tuple[str, ...] = (sys.executable, "-m", "tests.chaos.supervise")

    def __init__(
        self,
        folder: Path,
        backend: str = "local",
        broker: str = "redis",
        sink: str = "redis",
        storage: str = "folder",
    ) -> None:
        own = ports.find_free_ports(len(ports.DEFAULTS) + 9)
        chosen = dict(zip(ports.DEFAULTS, own[9:], strict=True))
        self.backend, self.broker, self.storage = backend, broker, storage
        self._proxies = contextlib.ExitStack()
        enter = self._proxies.enter_context
        self.doubles_messages = False
        self.lost: tuple[float, float] | None = None
        """From when to when the database was lost, as Unix times: the present fault restored it."""
        self.postgres_proxy = enter(Proxy(own[0], chosen["POSTGRES_PORT"]))
        self.redis_proxy = enter(
            Proxy(own[1], chosen["REDIS_PORT"], lambda: Doubling(lambda: self.doubles_messages))
        )
        self.rabbitmq_proxy = enter(
            Proxy(
                own[7],
                chosen["RABBITMQ_PORT"],
                lambda: AmqpDoubling(lambda: self.doubles_messages),
            )
        )
        self.api_proxy = enter(Proxy(own[2], chosen["API_PORT"]))
        self.modal_proxy = enter(Proxy(own[4], own[5]))
        self.peer = RemoteBook(f"http://{ports.HOST}:{own[6]}")
        callback_url = f"http://{ports.HOST}:{chosen['API_PORT']}/internal/gpu-callback"
        self.callbacks = enter(CallbackRelay(own[3], callback_url))
        self.kafka = enter(mock_cluster.running()) if sink == "kafka" else None
        self.objects = enter(ObjectStore(own[8])) if storage == "s3" else None
        self.failpoints = folder / "failpoints"
        self.failpoints.mkdir(parents=True, exist_ok=True)
        self.forgetful = folder / "forgetful"
        self.other_orchestrators: list[tuple[subprocess.Popen[bytes], Path]] = []
        """Each with its log."""
        settings = {name: str(port) for name, port in chosen.items()} | {
            supervise.POSTGRES_PROXY: str(own[0]),
            supervise.REDIS_PROXY: str(own[1]),
            supervise.RABBITMQ_PROXY: str(own[7]),
            "BROKER": broker,
            orchestrator.FORGETFUL: str(self.forgetful),
            "AUTEUR_FAILPOINTS": str(self.failpoints),
            "AUTEUR_PLUGINS": ":".join(map(str, PLUGINS)),
            "GPU_CALLBACK_URL": self.callbacks.url,
            "RATE_LIMIT": "1000000/minute",
            "MAX_FREE_CANCELS": "1000000",
            "SIGNUP_CREDITS": str(CREDITS),
            "WORKER_CONCURRENCY": str(CONCURRENCY),
        }
        if backend == "modal":
            settings |= supervise.on_modal(proxy=own[4], peer=own[5], control=own[6])
        if self.kafka:
            settings |= {"STREAMS_SINK": sink, "KAFKA_BROKERS": ",".join(self.kafka.addresses)}
        if self.objects:
            settings |= self.objects.settings
        if storage == "small disk":
            self.COMMAND = disk.on_small_disk(
                folder / "var" / "objects", SMALL_DISK_BYTES, self.COMMAND
            )
        super().__init__(folder / "var", settings)

    def __enter__(self) -> Self:
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._stop_other_orchestrators()
            self.stop()
        finally:
            self._proxies.close()

    @property
    def ours(self) -> tuple[str, ...]:
        """The processes that are built of our code: neither stores nor the stand-in for Modal."""
        return (*OURS, *self.workers[1:])

    @property
    def workers(self) -> tuple[str, ...]:
        """The Celery workers."""
        return ("worker-steps", "worker-cpu") if self.backend == "local" else ("worker-steps",)

    @property
    def client_url(self) -> str:
        """The API as the suite's clients reach it."""
        return f"http://{ports.HOST}:{self.api_proxy.port}"

    def token(self, user_id: str) -> str:
        """What Supabase would give this user; the account is made at its first use."""
        now = int(time.time())
        claims = {
            "sub": user_id,
            "email": f"{user_id}@example.com",
            "aud": "authenticated",
            "role": "authenticated",
            "iss": self.env["SUPABASE_JWT_ISSUER"],
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        return jwt.encode(claims, self.env["SUPABASE_JWT_SECRET"], algorithm="HS256")

    def database(self) -> psycopg.Connection:
        """A connection that no proxy stands in the way of."""
        return psycopg.connect(self.env["DATABASE_URL"], autocommit=True, connect_timeout=2)

    def redis(self) -> redis.Redis:
        """The same for Redis."""
        return redis.Redis.from_url(
            self.env["REDIS_URL"], socket_timeout=5, socket_connect_timeout=2
        )

    def records(self, streams: Collection[str]) -> Records:
        """What is published from now on."""
        if self.kafka:
            return KafkaRecords(self.kafka.addresses, streams)
        return RedisRecords(self.redis(), streams)

    def queues(self) -> Queues:
        """The same for RabbitMQ."""
        port, password = int(self.env["RABBITMQ_PORT"]), self.env["RABBITMQ_PASSWORD"]
        return Queues(port, password, self._queue_names)

    @cached_property
    def _queue_names(self) -> list[str]:
        return self.manage("shell", "-v", "0", "-c", QUEUE_NAMES).split()

    def leftover_messages(self) -> dict[str, int]:
        """How many messages wait in each queue."""
        waiting = self.queues().waiting() if self.broker == "amqp" else {}
        return audit.leftover_messages(self.redis()) | waiting

    def lose_messages(self) -> None:
        """Lose all that wait, and whatever else Redis has."""
        self.redis().flushall()
        if self.broker == "amqp":
            self.queues().purge()

    @property
    def redis_data(self) -> Path:
        """Where Redis keeps its queues."""
        return self.var / "redis"

    def open_calls(self) -> list[str]:
        """What waits or runs at Modal."""
        if self.backend == "local":
            return []  # those are rows, which the audit knows
        return [f"{c.call_id} of attempt {c.attempt_id}" for c in self.peer.open_calls()]

    def heal(self) -> None:
        """Undo what a fault may have left, and return when every process is up again."""
        for proxy in self._all_proxies:
            proxy.mode = Mode.PASS
        self.callbacks.copies, self.callbacks.delay_seconds = 1, 0.0
        self.lost = None
        self.doubles_messages = False
        if self.kafka:
            self.kafka.go_on()
        for point in self.failpoints.iterdir():
            point.unlink()
        self._stop_other_orchestrators()
        if self.objects:
            self.objects.accept()
        if self.forgetful.exists():
            self.forgetful.unlink()
            self._replace_orchestrator()
        self.wait_until_ready()
        stores = (*STORES, "rabbitmq") if self.broker == "amqp" else STORES
        services = (*stores, *OURS, INFERENCE[self.backend])
        until(lambda: all(self._lives(name) for name in services), FIRE_SECONDS)
        if self.backend == "modal":
            self.peer.plays(Scenario.RUN)

    @property
    def _all_proxies(self) -> tuple[Proxy, ...]:
        stores = self.postgres_proxy, self.redis_proxy, self.rabbitmq_proxy
        return (*stores, self.api_proxy, self.modal_proxy)

    def forget(self) -> None:
        """Replace the orchestrator by one that repairs nothing, until `heal`."""
        self.forgetful.touch()
        self._replace_orchestrator()

    def _replace_orchestrator(self) -> None:
        before = self.process("orchestrator")
        before.kill()
        psutil.wait_procs([before], timeout=FIRE_SECONDS)
        self.wait_until_ready()

    def start_second_orchestrator(self) -> None:
        """Run another one beside the first, until `heal`; return when it works."""
        _, log = self.start_orchestrator()
        until(lambda: "orchestrator started" in log.read_text(), FIRE_SECONDS)

    def start_orchestrator(
        self,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = ("manage.py", "orchestrate"),
    ) -> tuple[subprocess.Popen[bytes], Path]:
        """Start one beside the others, until `heal`, with these variables besides its own.

        It reaches the stores without the proxies. Return its process and its log.
        """
        number = len(self.other_orchestrators) + 2
        log = self.var / "log" / f"orchestrator-{number}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=BASE_DIR,
                env=self.env | dict(environ or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.other_orchestrators.append((process, log))
        return process, log

    def _stop_other_orchestrators(self) -> None:
        for process, _ in self.other_orchestrators:
            process.terminate()
            try:
                process.wait(FIRE_SECONDS)
            except subprocess.TimeoutExpired:  # its clock may be such that it never wakes up
                process.kill()
                process.wait()
        self.other_orchestrators.clear()

    def _lives(self, name: str) -> bool:
        running = stack_state.read_state(self.var)
        pid, _ = running.processes.get(name, (0, 0.0)) if running else (0, 0.0)
        return bool(pid) and psutil.pid_exists(pid)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process of the table, not to its children."""
        self.process(name).send_signal(number)

    def signal_all(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and to all that it started."""
        for process in (self.process(name), *self.children(name)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def hold_supervisor(self) -> None:
        """Start nothing again, until `release_supervisor`."""
        self._supervisor.send_signal(signal.SIGSTOP)

    def release_supervisor(self) -> None:
        """Start again what has died meanwhile."""
        self._supervisor.send_signal(signal.SIGCONT)

    def arm(self, point: str, seconds: float | None = None) -> None:
        """Let the next process that comes to a failpoint die there, or wait so many seconds."""
        draft = self.failpoints / f".{point}"
        draft.write_text("" if seconds is None else str(seconds))
        draft.replace(self.failpoints / point)

    def wait_for_failpoint(self, point: str) -> float:
        """When a process came to an armed point, as Unix time."""
        until(lambda: not (self.failpoints / point).exists(), FIRE_SECONDS, interval=0.01)
        return time.time()

    def fill_disk(self) -> None:
        """Leave no free byte on the small disk of the object store."""
        self._filler.write_bytes(b"")
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (2**20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free_disk(self) -> None:
        """Remove what `fill_disk` wrote."""
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        # The disk is mounted for the stack's processes only: we see it as one of them does.
        objects = self.var.resolve() / "objects"
        return Path(f"/proc/{self._supervisor.pid}/root{objects}/filler")
