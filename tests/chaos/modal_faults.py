"""What can go wrong between us and Modal, and there."""

from collections.abc import Callable, Iterator

from tests.chaos import audit, strikes
from tests.chaos.fault import Fault
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.stack import ChaosStack
from tests.chaos.workload import SLOW_CALLS
from tests.modal_peer.scenario import Scenario

RUN = Scenario.RUN
MAX_CALLS = 5
"""Of one job, while Modal answers starts too late for a minute."""
# The first dozen calls only: all are first attempts, and a job that loses three has rightly failed.
UNHEARD = (RUN, Scenario.LOST_REPLIES) * 6
UNANSWERED = (RUN, RUN, RUN, Scenario.SILENCE) * 3
LOST = (RUN, RUN, Scenario.CRASH, RUN, RUN, Scenario.EXPIRED) * 2


def _modal(stack: ChaosStack) -> Proxy:
    return stack.modal_proxy


def find_bought_twice(stack: ChaosStack, user_id: str) -> Iterator[str]:
    """Yield this user's jobs that were computed more than once, or started too often."""
    accepted, run = stack.peer.taken_by_job(), stack.peer.run_by_job()
    with stack.database() as database:
        for job in audit.jobs_of(database, user_id):
            if run.get(job.id, 0) > 1:
                yield f"{run[job.id]} calls of job {job.id} ran to their end"
            if accepted.get(job.id, 0) > MAX_CALLS:
                yield f"{accepted[job.id]} calls of job {job.id} were started"


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
    Fault(
        "modal_slow_starts",
        strikes.start_calls_late,
        settle=120.0,
        backend="modal",
        kinds=SLOW_CALLS,
        find_complaints=find_bought_twice,
    ),
)
