"""Every fault by name, and those that are told most by."""

import signal
from dataclasses import replace

from tests.chaos import clocks, disk, restore, storage, strikes
from tests.chaos.fault import Fault
from tests.chaos.modal_faults import MODAL_FAULTS
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.rabbitmq_faults import RABBITMQ_FAULTS
from tests.chaos.stack import ChaosStack
from tests.chaos.workload import CALLS_ALL_ALONG, UNCANCELLED, WITH_BRIEF, WITH_FILES

CALLBACK_DELAY_SECONDS = 8.0
A_CLAIM_UNHEARD = 90.0
"""Where the answer to a claim's commit is cut off, its holder lives and knows nothing of it: the
row is everybody's again a lease (44 s) after the outage, and then the job is done."""
SLOWER_SECONDS = {"local": 0.0, "modal": 45.0}
"""How much longer a lost report may take to be made up for: Modal is asked more rarely."""


def _redis(stack: ChaosStack) -> Proxy:
    return stack.redis_proxy


def _postgres(stack: ChaosStack) -> Proxy:
    return stack.postgres_proxy


def _api(stack: ChaosStack) -> Proxy:
    return stack.api_proxy


def _double_messages(stack: ChaosStack) -> None:
    stack.doubles_messages = True


def _triple_callbacks(stack: ChaosStack) -> None:
    stack.callbacks.copies = 3


def _delay_callbacks(stack: ChaosStack) -> None:
    stack.callbacks.delay_seconds = CALLBACK_DELAY_SECONDS


def _swallow_callbacks(stack: ChaosStack) -> None:
    stack.callbacks.copies = 0


def _double_and_swallow(stack: ChaosStack) -> None:
    _double_messages(stack)
    _swallow_callbacks(stack)


def _dies(point: str, who: str = "worker child") -> Fault:
    return Fault(f"{who} SIGKILL at {point}", lambda stack: strikes.die_at(stack, point))


_ALL = (
    Fault("none"),
    _dies("after_claim_prepare"),
    _dies("after_commit_prepare"),
    _dies("after_claim_dispatch"),
    _dies("after_spawn"),
    _dies("after_claim_collect"),
    _dies("after_commit_collect"),
    _dies("after_claim_finalize"),
    _dies("before_complete"),
    _dies("before_publish", "orchestrator"),
    _dies("before_numbered", "orchestrator"),
    Fault(
        "worker children SIGKILL at four points",
        lambda stack: strikes.die_at(
            stack, "after_claim_prepare", "after_spawn", "after_commit_collect", "before_publish"
        ),
    ),
    Fault("worker child SIGKILL in a call", strikes.kill_running_call, backend="local"),
    Fault("steps worker SIGKILL", lambda stack: strikes.kill(stack, "worker-steps")),
    Fault("media worker SIGKILL", lambda stack: strikes.kill(stack, "worker-media")),
    Fault("CPU worker SIGKILL", lambda stack: strikes.kill(stack, "worker-cpu"), backend="local"),
    Fault("orchestrator SIGKILL", lambda stack: strikes.kill(stack, "orchestrator")),
    Fault(
        "one of two orchestrators SIGKILL",
        lambda stack: strikes.kill(stack, "orchestrator"),
        begin=ChaosStack.start_second_orchestrator,
    ),
    Fault("API SIGKILL", lambda stack: strikes.kill(stack, "api")),
    Fault("live SIGKILL", lambda stack: strikes.kill(stack, "live")),
    Fault("live SIGTERM", lambda stack: strikes.end(stack, signal.SIGTERM, "live")),
    Fault("webhooks SIGKILL", lambda stack: strikes.kill(stack, "webhooks")),
    Fault("streams SIGKILL", lambda stack: strikes.kill(stack, "streams")),
    _dies("before_cursor_moved", "streams"),
    Fault("API answers cut", lambda stack: strikes.cut(stack, _api)),
    Fault("workers SIGTERM", lambda stack: strikes.end(stack, signal.SIGTERM, *stack.workers)),
    Fault("workers SIGQUIT", lambda stack: strikes.end(stack, signal.SIGQUIT, *stack.workers)),
    Fault("steps worker SIGSTOP, publish, SIGKILL", strikes.stop_publish_kill),
    Fault(
        "steps worker SIGSTOP, SIGCONT",
        lambda stack: strikes.stop_and_continue(stack, "worker-steps"),
    ),
    Fault(
        "CPU worker SIGSTOP, SIGCONT",
        lambda stack: strikes.stop_and_continue(stack, "worker-cpu"),
        backend="local",
    ),
    Fault("all of ours SIGTERM, then FLUSHALL and live SIGKILL", strikes.restart_all, settle=60.0),
    Fault("all of ours SIGKILL", lambda stack: strikes.kill(stack, *stack.ours)),
    Fault("all of ours and Redis SIGKILL, queues lost", strikes.kill_all_and_lose_redis),
    Fault("one after another SIGKILL", strikes.storm, settle=60.0),
    Fault("Redis SIGKILL, queues kept", lambda stack: strikes.kill(stack, "redis")),
    Fault("Redis SIGKILL, queues lost", strikes.lose_redis),
    Fault("Redis FLUSHALL", strikes.flush_redis),
    Fault("Redis SIGSTOP 30 s", strikes.hang_redis),
    Fault("Redis connections cut", lambda stack: strikes.cut(stack, _redis)),
    Fault("Redis refuses", lambda stack: strikes.disturb(stack, _redis, Mode.REFUSE)),
    Fault("Redis stalls", lambda stack: strikes.disturb(stack, _redis, Mode.STALL)),
    Fault("Redis drops", lambda stack: strikes.disturb(stack, _redis, Mode.DROP)),
    Fault(
        "Redis connections dead for ever",
        lambda stack: strikes.deafen(stack, _redis),
        settle=75.0,
    ),
    Fault(
        "Postgres immediate stop",
        lambda stack: strikes.end(stack, signal.SIGQUIT, "postgres"),
        settle=A_CLAIM_UNHEARD,
    ),
    Fault(
        "Postgres connections cut",
        lambda stack: strikes.cut(stack, _postgres),
        settle=A_CLAIM_UNHEARD,
    ),
    Fault(
        "Postgres refuses",
        lambda stack: strikes.disturb(stack, _postgres, Mode.REFUSE),
        settle=A_CLAIM_UNHEARD,
    ),
    Fault(
        "Postgres stalls",
        lambda stack: strikes.disturb(stack, _postgres, Mode.STALL),
        settle=A_CLAIM_UNHEARD,
    ),
    Fault(
        "Postgres drops",
        lambda stack: strikes.disturb(stack, _postgres, Mode.DROP),
        settle=A_CLAIM_UNHEARD,
    ),
    Fault("Kafka SIGSTOP 30 s", strikes.hang_kafka, sink="kafka"),
    Fault("Kafka SIGSTOP, streams SIGKILL", strikes.hang_kafka_and_kill, sink="kafka"),
    *RABBITMQ_FAULTS,
    *MODAL_FAULTS,
    Fault(
        "redis_away_long",
        strikes.remove_redis,
        settle=120.0,
        kinds=WITH_BRIEF,
        submission_seconds=60.0,
    ),
    Fault(
        "storage_503",
        strikes.stop_storage,
        settle=180.0,
        storage="s3",
        kinds=WITH_FILES,
        submission_seconds=6.0,
        is_harmless=True,
        find_complaints=storage.find_unstruck,
    ),
    Fault(
        "disk_full",
        strikes.fill_disk,
        settle=90.0,
        storage="small disk",
        kinds=WITH_FILES,
        submission_seconds=6.0,
        is_harmless=True,
        find_obstacle=disk.find_obstacle,
    ),
    Fault(
        "restore_a_minute_ago",
        restore.restore_a_minute_ago,
        settle=A_CLAIM_UNHEARD,
        submission_seconds=90.0,
    ),
    Fault(
        "clock_ahead",
        clocks.jump_ahead,
        begin=clocks.start_orchestrators,
        is_harmless=True,
        find_complaints=clocks.find_complaints,
        find_obstacle=clocks.find_obstacle,
    ),
    Fault(
        "ten busy processes for each core",
        strikes.starve,
        settle=90.0,
        kinds=CALLS_ALL_ALONG,
        is_harmless=True,
    ),
    Fault("every message twice", begin=_double_messages),
    Fault("callbacks tripled", begin=_triple_callbacks),
    Fault("callbacks delayed 8 s", begin=_delay_callbacks),
    Fault("callbacks never", begin=_swallow_callbacks),
    Fault("every message twice, callbacks never", begin=_double_and_swallow),
)
WITHOUT_REPAIR = Fault(
    "control: no repair, worker child SIGKILL and FLUSHALL",
    lambda stack: strikes.kill_and_flush(stack, "after_claim_prepare"),
    begin=ChaosStack.forget,
    settle=4.0,
    kinds=UNCANCELLED,
)
"""The negative control: an orchestrator that publishes and repairs nothing must lose jobs."""
BOUNDED = (
    "worker children SIGKILL at four points",
    "all of ours and Redis SIGKILL, queues lost",
    "Postgres immediate stop",
    "every message twice, callbacks never",
)
BOUNDED_MODAL = (
    "every second start unheard, its call runs",
    "every third call lost",
)
"""Those of `make test`."""


def faults_of(backend: str, broker: str = "redis", sink: str = "redis") -> dict[str, Fault]:
    """The faults that make sense with this backend, this broker and this sink, by name."""
    slower = SLOWER_SECONDS[backend]
    return {
        fault.name: replace(fault, settle=fault.settle + slower)
        for fault in _ALL
        if fault.backend in {"", backend}
        and fault.broker in {"", broker}
        and fault.sink in {"", sink}
    }
