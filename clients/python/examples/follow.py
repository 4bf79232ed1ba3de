"""Print the events of all your jobs, from the first: `python follow.py [SEQ]`; Ctrl-C stops it."""

import contextlib
import sys

from auteur_client import Auteur


def main(after: int) -> None:
    with Auteur() as auteur, contextlib.suppress(KeyboardInterrupt):
        for event in auteur.events(after=after):
            print(event.seq, event.type, event.data["job_id"], flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
