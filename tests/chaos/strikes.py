"""How the stack is hurt: each strike returns when it struck, as Unix time."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

from tests.chaos.proxy import Mode, Proxy
from tests.chaos.stack import ChaosStack
from tests.modal_peer.scenario import Scenario
from tests.waiting import until

LONGER_THAN_A_LEASE = 50.0
LONGER_THAN_A_REQUEST = 12.0
OUTAGE_SECONDS = 8.0
LONG_OUTAGE_SECONDS = 30.0
BETWEEN_CUTS_SECONDS = 0.4
CUTS = 10
DELAY_SECONDS = 8.0
GONE_SECONDS = 20.0
BUSY_PER_CORE = 10
BUSY_SECONDS = 60.0
STORAGE_AWAY_SECONDS = 60.0
CALLS_SECONDS = 90.0
"""In which calls must have come to their outputs."""
REDIS_AWAY_SECONDS = 600.0
DISK_FULL_SECONDS = 40.0
SLOW_STARTS_SECONDS = 60.0
SLOW_STEP_SECONDS = 6.0
"""Longer than `jobs.orchestrator.repair.CLAIM_RECHECK`, shorter than a worker may be silent."""


def kill(stack: ChaosStack, *names: str) -> float:
    """SIGKILL processes of the table; the kernel and the supervisor take their children."""
    return end(stack, signal.SIGKILL, *names)


def end(stack: ChaosStack, number: signal.Signals, *names: str) -> float:
    """Send a signal that ends processes, and wait until they are gone."""
    processes = [stack.process(name) for name in names]
    now = time.time()
    for process in processes:
        process.send_signal(number)
    psutil.wait_procs(processes, timeout=GONE_SECONDS)
    return now


def die_at(stack: ChaosStack, *points: str) -> float:
    """Let one process die at each point."""
    for point in points:
        stack.arm(point)
    return min([stack.wait_for_failpoint(point) for point in points])


def kill_running_call(stack: ChaosStack) -> float:
    """SIGKILL a child of the CPU worker in the middle of a call."""

    def pid() -> int:
        with stack.database() as database:
            row = database.execute(
                "SELECT worker FROM local_calls WHERE state = 'running' LIMIT 1"
            ).fetchone()
        return int(row[0].rsplit(":", 1)[1]) if row else 0

    child = psutil.Process(until(pid, GONE_SECONDS))
    assert child in stack.children("worker-cpu")
    now = time.time()
    child.kill()
    return now


def stop_publish_kill(stack: ChaosStack) -> float:
    """SIGSTOP the steps' worker, let messages come to it, then SIGKILL all of it."""
    now = time.time()
    stack.signal_all("worker-steps", signal.SIGSTOP)
    time.sleep(3.0)
    stack.signal_all("worker-steps", signal.SIGKILL)
    return now


def stop_and_continue(stack: ChaosStack, name: str) -> float:
    """SIGSTOP a worker for longer than its lease; it wakes up to find all taken away."""
    now = time.time()
    stack.signal_all(name, signal.SIGSTOP)
    time.sleep(LONGER_THAN_A_LEASE)
    stack.signal_all(name, signal.SIGCONT)
    return now


def lose_redis(stack: ChaosStack) -> float:
    """SIGKILL Redis and remove its file before it starts again."""
    redis = stack.process("redis")
    now = time.time()
    redis.kill()
    psutil.wait_procs([redis], timeout=GONE_SECONDS)
    (stack.redis_data / "appendonly.aof").unlink(missing_ok=True)
    shutil.rmtree(stack.redis_data / "appendonlydir", ignore_errors=True)
    return now


def lose_rabbitmq(stack: ChaosStack) -> float:
    """The same for RabbitMQ."""
    server = stack.process("rabbitmq")
    now = time.time()
    server.kill()
    psutil.wait_procs([server], timeout=GONE_SECONDS)
    shutil.rmtree(stack.var / "rabbitmq" / "nodes", ignore_errors=True)
    return now


def kill_all_and_lose_redis(stack: ChaosStack) -> float:
    """Nothing is left but what PostgreSQL holds."""
    if stack.broker == "amqp":
        lose_rabbitmq(stack)
    lose_redis(stack)
    return kill(stack, *stack.ours)


def restart_all(stack: ChaosStack) -> float:
    """As on a deploy that goes badly: everything is told to stop, then more is lost."""
    now = end(stack, signal.SIGTERM, *stack.ours)
    stack.wait_until_ready()
    stack.lose_messages()
    kill(stack, "live")
    return now


def flush_redis(stack: ChaosStack) -> float:
    """FLUSHALL, a few times."""
    now = time.time()
    for _ in range(5):
        stack.lose_messages()
        time.sleep(0.5)
    return now


def kill_and_flush(stack: ChaosStack, point: str) -> float:
    """A worker child dies with what it has claimed; then the queues are gone."""
    now = die_at(stack, point)
    stack.lose_messages()
    return now


def hang_redis(stack: ChaosStack) -> float:
    """SIGSTOP Redis for half a minute: it accepts connections and answers nothing."""
    now = time.time()
    stack.send("redis", signal.SIGSTOP)
    time.sleep(LONG_OUTAGE_SECONDS)
    stack.send("redis", signal.SIGCONT)
    return now


def hang_kafka(stack: ChaosStack) -> float:
    """SIGSTOP every broker of Kafka for half a minute."""
    assert stack.kafka is not None
    now = time.time()
    stack.kafka.hang()
    time.sleep(LONG_OUTAGE_SECONDS)
    stack.kafka.go_on()
    return now


def hang_kafka_and_kill(stack: ChaosStack) -> float:
    """Kill meanwhile who publishes, with what it has handed over and nobody acknowledged."""
    assert stack.kafka is not None
    stack.kafka.hang()
    time.sleep(OUTAGE_SECONDS)
    now = kill(stack, "streams")
    stack.kafka.go_on()
    return now


def hang_modal(stack: ChaosStack) -> float:
    """SIGSTOP Modal for longer than we wait for any answer; what runs there goes on and reports."""
    now = time.time()
    stack.send("modal-peer", signal.SIGSTOP)
    time.sleep(LONGER_THAN_A_REQUEST)
    stack.send("modal-peer", signal.SIGCONT)
    return now


def disturb(stack: ChaosStack, proxy: Callable[[ChaosStack], Proxy], mode: Mode) -> float:
    """Hold a proxy in a mode for some seconds, then let the broken connections be reset."""
    hurt = proxy(stack)
    now = time.time()
    hurt.mode = mode
    if mode is Mode.REFUSE:
        hurt.cut()
    time.sleep(OUTAGE_SECONDS)
    hurt.mode = Mode.PASS
    if mode is Mode.DROP:
        hurt.cut()
    return now


def cut(stack: ChaosStack, proxy: Callable[[ChaosStack], Proxy]) -> float:
    """Reset all connections, again and again."""
    now = time.time()
    for _ in range(CUTS):
        proxy(stack).cut()
        time.sleep(BETWEEN_CUTS_SECONDS)
    return now


def deafen(stack: ChaosStack, proxy: Callable[[ChaosStack], Proxy]) -> float:
    """Every connection through a proxy goes dead, and nobody is told; new ones work."""
    now = time.time()
    proxy(stack).mode = Mode.DROP
    time.sleep(OUTAGE_SECONDS)
    proxy(stack).mode = Mode.PASS
    return now


def refuse_calls(stack: ChaosStack, scenario: Scenario) -> float:
    """Let Modal answer nothing but this refusal for some seconds."""
    now = time.time()
    stack.peer.plays(scenario)
    time.sleep(OUTAGE_SECONDS)
    stack.peer.plays(Scenario.RUN)
    return now


def storm(stack: ChaosStack) -> float:
    """Something of ours dies every second and a half."""
    now = time.time()
    victims = ("worker-steps", "orchestrator", "api", stack.workers[-1], "redis", "worker-steps")
    for name in victims:
        stack.process(name).kill()
        time.sleep(1.5)
    return now


def starve(stack: ChaosStack, seconds: float = BUSY_SECONDS) -> float:
    """Ten busy processes for each core, as eager as ours, beside all that runs."""
    now = time.time()
    with contextlib.ExitStack() as busy:
        for _ in range(BUSY_PER_CORE * (os.cpu_count() or 1)):
            process = subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"])
            busy.callback(process.wait)
            busy.callback(process.kill)
        time.sleep(seconds)
    return now


def nothing(stack: ChaosStack) -> float:
    """All that hurts was there from the start."""
    return time.time()


def stop_storage(stack: ChaosStack, seconds: float = STORAGE_AWAY_SECONDS) -> float:
    """Let the object store answer 503 while calls are at work."""
    assert stack.objects is not None
    assert stack.objects.refuse_amid_calls(CALLS_SECONDS), "no call was amid its work"
    now = time.time()
    time.sleep(seconds)
    stack.objects.accept()
    return now


def remove_redis(stack: ChaosStack, seconds: float = REDIS_AWAY_SECONDS) -> float:
    """Reset all connections to Redis and refuse new ones for long."""
    now = time.time()
    stack.redis_proxy.mode = Mode.REFUSE
    stack.redis_proxy.cut()
    time.sleep(seconds)
    stack.redis_proxy.mode = Mode.PASS
    return now


def fill_disk(stack: ChaosStack, seconds: float = DISK_FULL_SECONDS) -> float:
    """Leave no free byte on the object store's disk for a while."""
    now = time.time()
    stack.fill_disk()
    time.sleep(seconds)
    stack.free_disk()
    return now


def start_calls_late(stack: ChaosStack, seconds: float = SLOW_STARTS_SECONDS) -> float:
    """Let Modal start calls, and answer each start only when its caller has given up."""
    now = time.time()
    stack.peer.plays(Scenario.LATE_REPLY)
    time.sleep(seconds)
    stack.peer.plays(Scenario.RUN)
    return now


def slow_down_steps(stack: ChaosStack) -> float:
    """Let workers take longer over a claim than the orchestrator waits to look at it again."""
    points = ("after_claim_prepare", "after_claim_dispatch", "after_claim_collect")
    for point in points:
        stack.arm(point, SLOW_STEP_SECONDS)
    return min([stack.wait_for_failpoint(point) for point in points])
