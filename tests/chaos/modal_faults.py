"""What can go wrong between us and Modal, and there."""

from collections.abc import Callable

from tests.chaos import strikes
from tests.chaos.fault import Fault
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.stack import ChaosStack
from tests.modal_peer.scenario import Scenario

RUN = Scenario.RUN
# The first dozen calls only: all are first attempts, and a job that loses three has rightly failed.
UNHEARD = (RUN, Scenario.LOST_REPLIES) * 6
UNANSWERED = (RUN, RUN, RUN, Scenario.SILENCE) * 3
LOST = (RUN, RUN, Scenario.CRASH, RUN, RUN, Scenario.EXPIRED) * 2


def _modal(stack: ChaosStack) -> Proxy:
    return stack.modal_proxy


def _goes(calls: tuple[Scenario, ...]) -> Callable[[ChaosStack], None]:
    return lambda stack: stack.peer.plays(RUN, upcoming=calls)


def _at_modal(
    name: str,
    strike: Callable[[ChaosStack], float] = strikes.nothing,
    begin: Callable[[ChaosStack], None] = lambda stack: None,
) -> Fault:
    return Fault(name, strike, begin, backend="modal")


MODAL_FAULTS = (
    _at_modal("Modal SIGSTOP, SIGCONT", strikes.hang_modal),
    _at_modal("Modal connections cut", lambda stack: strikes.cut(stack, _modal)),
    _at_modal("Modal refuses", lambda stack: strikes.disturb(stack, _modal, Mode.REFUSE)),
    _at_modal("Modal stalls", lambda stack: strikes.disturb(stack, _modal, Mode.STALL)),
    _at_modal("Modal drops", lambda stack: strikes.disturb(stack, _modal, Mode.DROP)),
    _at_modal("Modal connections dead for ever", lambda stack: strikes.deafen(stack, _modal)),
    _at_modal(
        "Modal exhausted",
        lambda stack: strikes.refuse_calls(stack, Scenario.RESOURCE_EXHAUSTED),
    ),
    _at_modal("every second start unheard, its call runs", begin=_goes(UNHEARD)),
    _at_modal("every fourth start unanswered, its call runs", begin=_goes(UNANSWERED)),
    _at_modal("every third call lost", begin=_goes(LOST)),
)
