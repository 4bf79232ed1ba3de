"""`python -m tests.chaos [--backend modal] [--broker amqp] [--sink kafka] [FAULT ...]`.

Runs faults, and shows a table.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from auteur.devstack.cli import say
from auteur.devstack.environment import BROKERS
from tests.chaos.fault import Fault
from tests.chaos.faults import WITHOUT_REPAIR, faults_of
from tests.chaos.scenario import JOBS, Report, run, table
from tests.chaos.stack import INFERENCE, SINKS, STORAGES, ChaosStack

SHOWN = 3  # of each kind of wrong


def main() -> int:
    """Run; 0 only if no fault left a trace, and the control did."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "faults",
        nargs="*",
        metavar="FAULT",
        help="; ".join({**faults_of("local", "amqp", "kafka"), **faults_of("modal")}),
    )
    parser.add_argument("--backend", choices=INFERENCE, default="local")
    parser.add_argument("--broker", choices=BROKERS, default=BROKERS[0])
    parser.add_argument("--sink", choices=SINKS, default=SINKS[0])
    parser.add_argument("--jobs", type=int, default=JOBS, help="of each fault (%(default)s)")
    parser.add_argument("--var", type=Path, help="keep the stack's data and logs here")
    options = parser.parse_args()
    faults = faults_of(options.backend, options.broker, options.sink)
    names = options.faults or list(faults)
    if unknown := set(names) - set(faults):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    for name in list(names):
        if obstacle := faults[name].find_obstacle():
            say(f"skip  {name}: {obstacle}")
            names.remove(name)
    if not names:
        return 0
    begin = time.monotonic()
    reports: list[Report] = []
    books: list[str] = []
    control = None
    with tempfile.TemporaryDirectory(prefix="auteur-chaos-") as temporary:
        for storage in STORAGES:
            group = [faults[name] for name in names if is_for(faults[name], storage)]
            if not group:
                continue
            var = (options.var or Path(temporary)) / storage.replace(" ", "-")
            with ChaosStack(var, options.backend, options.broker, options.sink, storage) as stack:
                reports += [_told(run(stack, fault, options.jobs)) for fault in group]
                books.append(stack.manage("ledger_verify"))
                control = control or run(stack, WITHOUT_REPAIR)
    assert control is not None
    say(f"\n{table([*reports, control])}\n\n" + "\n".join(books))
    say(f"{reports[-1].unacknowledged} messages of killed workers wait to be brought again.")
    bad = [report for report in reports if not report.is_clean]
    if not control.lost:
        say("The control lost nothing: this suite would not see a loss.")
    say(
        f"{len(reports)} faults, {sum(report.jobs for report in reports)} jobs in "
        f"{time.monotonic() - begin:.0f} s: "
        + (f"{len(bad)} left something wrong" if bad else "nothing lost, nothing doubled")
    )
    return bool(bad or not control.lost)


def is_for(fault: Fault, storage: str) -> bool:
    """Return whether the fault runs on the stack with this storage."""
    return (fault.storage or STORAGES[0]) == storage


def _told(report: Report) -> Report:
    say(f"{'ok   ' if report.is_clean else 'WRONG'} {report.fault}")
    wrong = {"lost": report.lost, "doubled": report.doubled, "spoilt": report.spoilt}
    for what, which in (wrong | report.complaints).items():
        if which:
            say(f"      {len(which)} {what}: {', '.join(which[:SHOWN])}")
    return report


if __name__ == "__main__":
    sys.exit(main())
