"""Measure our processor time for one EDL operation on the longest possible film.

Once if the process has edited the film before, and once if it has not, or if another process has
edited it since. The baseline is the time that plain pymongo takes for one versioned update of the
same document: the least that any operation could take.
"""

import json
import subprocess
import sys

from auteur.devstack import processes
from benchmarks import report, stack

GOAL_MS = 10.0


def main() -> None:
    with stack.run_stores() as (var, values):
        settings = stack.settings(values)
        with stack.run_processes(stack.list_programs(settings, ("migrate",)), var):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.editor"],
                cwd=processes.BASE_DIR,
                env=dict(settings),
                stdout=subprocess.PIPE,
                check=True,
            )
    results = json.loads(done.stdout.splitlines()[-1])
    took, unknown = results["operations"], results["unknown"]
    worst = max(took.values())
    report.show(
        benchmark="operations",
        title=f"Our processor time per operation, 1,980 clips, 20,000 words, "
        f"{results['bytes'] / 2**20:.1f} MiB",
        columns=("operation", "ms", "film unknown"),
        rows=[
            *(
                (name, took[name], unknown[name])
                for name in sorted(took, key=took.__getitem__)[::-1]
            ),
            ("one bare versioned update", results["bare"], results["bare"]),
        ],
        ours=worst,
        baselines={"goal": GOAL_MS, "bare_update": results["bare"]},
        less_is_better=True,
        goal=1.0,
        operations={name: round(milliseconds, 1) for name, milliseconds in took.items()},
        unknown={name: round(milliseconds, 1) for name, milliseconds in unknown.items()},
    )


if __name__ == "__main__":
    main()
