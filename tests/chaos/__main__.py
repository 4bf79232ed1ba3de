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
from tests.chaos.faults import WITHOUT_REPAIR, faults_of
from tests.chaos.scenario import JOBS, Report, run, table
from tests.chaos.stack import INFERENCE, SINKS, ChaosStack

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
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="auteur-chaos-") as temporary:
        var = options.var or Path(temporary)
        with ChaosStack(var, options.backend, options.broker, options.sink) as stack:
            reports = [_told(run(stack, faults[name], options.jobs)) for name in names]
            books = stack.manage("ledger_verify")
            control = run(stack, WITHOUT_REPAIR)
    say(f"\n{table([*reports, control])}\n\n{books}")
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


def _told(report: Report) -> Report:
    say(f"{'ok   ' if report.is_clean else 'WRONG'} {report.fault}")
    wrong = {"lost": report.lost, "doubled": report.doubled, "spoilt": report.spoilt}
    for what, which in (wrong | report.complaints).items():
        if which:
            say(f"      {len(which)} {what}: {', '.join(which[:SHOWN])}")
    return report


if __name__ == "__main__":
    sys.exit(main())
