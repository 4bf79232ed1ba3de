"""The processor time that one EDL operation takes of ours, on a film as long as one can be.

Once where the process has edited the film before, and once where it has not or somebody else has
edited it since. Beside it what plain pymongo takes for one versioned update of the same document:
the least that any operation could take.
"""

import json
import subprocess
import sys

from auteur.devstack import processes
from benchmarks import report, stack

GOAL_MS = 10.0


def main() -> None:
    with stack.stores() as (var, values):
        settings = stack.settings(values)
        with stack.running(stack.programs(settings, ("migrate",)), var):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.editor"],
                cwd=processes.BASE_DIR,
                env=dict(settings),
                stdout=subprocess.PIPE,
                check=True,
            )
    found = json.loads(done.stdout.splitlines()[-1])
    took, unknown = found["operations"], found["unknown"]
    worst = max(took.values())
    report.show(
        benchmark="operations",
        title=f"Our processor time per operation, 1,980 clips, 20,000 words, "
        f"{found['bytes'] / 2**20:.1f} MiB",
        columns=("operation", "ms", "film unknown"),
        rows=[
            *(
                (name, took[name], unknown[name])
                for name in sorted(took, key=took.__getitem__)[::-1]
            ),
            ("one bare versioned update", found["bare"], found["bare"]),
        ],
        ours=worst,
        baselines={"goal": GOAL_MS, "bare_update": found["bare"]},
        less_is_better=True,
        goal=1.0,
        operations={name: round(each, 1) for name, each in took.items()},
        unknown={name: round(each, 1) for name, each in unknown.items()},
    )


if __name__ == "__main__":
    main()
