"""The processor time that one EDL operation takes of ours, on a film as long as one can be.

Beside it what plain pymongo takes for one versioned update of the same document: the least that
any operation could take.
"""

import json
import subprocess
import sys

from auteur.devstack import processes
from benchmarks import report, stack

GOAL_MS = 20.0


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
    worst = max(found["operations"].values())
    report.show(
        benchmark="operations",
        title=f"Our processor time per operation, 1,980 clips, 20,000 words, "
        f"{found['bytes'] / 2**20:.1f} MiB",
        columns=("operation", "ms"),
        rows=[*found["operations"].items(), ("one bare versioned update", found["bare"])],
        ours=worst,
        baselines={"goal": GOAL_MS, "bare_update": found["bare"]},
        less_is_better=True,
    )


if __name__ == "__main__":
    main()
