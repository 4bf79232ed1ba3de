"""What can go wrong between us and RabbitMQ, and there."""

import signal
import time
from collections.abc import Callable

from tests.chaos import strikes
from tests.chaos.fault import Fault
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.stack import ChaosStack

TIMES = 5
BETWEEN_SECONDS = 0.5


def _rabbitmq(stack: ChaosStack) -> Proxy:
    return stack.rabbitmq_proxy


def purge(stack: ChaosStack) -> float:
    """Remove all messages that wait, a few times."""
    now = time.time()
    for _ in range(TIMES):
        stack.queues().purge()
        time.sleep(BETWEEN_SECONDS)
    return now


def delete(stack: ChaosStack) -> float:
    """Delete every queue, used as they are."""
    now = time.time()
    stack.queues().delete()
    return now


def hang(stack: ChaosStack) -> float:
    """SIGSTOP it for half a minute: it accepts connections and answers nothing."""
    now = time.time()
    stack.send("rabbitmq", signal.SIGSTOP)
    time.sleep(strikes.LONG_OUTAGE_SECONDS)
    stack.send("rabbitmq", signal.SIGCONT)
    return now


def _fault(name: str, strike: Callable[[ChaosStack], float], settle: float = 60.0) -> Fault:
    return Fault(f"RabbitMQ {name}", strike, settle=settle, broker="amqp")


RABBITMQ_FAULTS = (
    _fault("SIGKILL, queues kept", lambda stack: strikes.kill(stack, "rabbitmq")),
    _fault("SIGKILL, queues lost", strikes.lose_rabbitmq),
    _fault("SIGTERM", lambda stack: strikes.end(stack, signal.SIGTERM, "rabbitmq")),
    _fault("queues purged", purge),
    _fault("queues deleted", delete),
    _fault("SIGSTOP 30 s", hang),
    _fault("connections cut", lambda stack: strikes.cut(stack, _rabbitmq)),
    _fault("refuses", lambda stack: strikes.disturb(stack, _rabbitmq, Mode.REFUSE)),
    _fault("stalls", lambda stack: strikes.disturb(stack, _rabbitmq, Mode.STALL)),
    _fault("drops", lambda stack: strikes.disturb(stack, _rabbitmq, Mode.DROP)),
    _fault("connections dead for ever", lambda stack: strikes.deafen(stack, _rabbitmq), 90.0),
)
