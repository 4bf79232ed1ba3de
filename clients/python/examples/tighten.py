"""Cut pauses and fillers without losing others' edits: `python tighten.py PROJECT_ID`."""

import sys

from auteur_client import Auteur, StaleEditError

CUTS = [{"op": "cut_silences"}, {"op": "cut_fillers"}]
TRIES = 3


def main(project_id: str) -> None:
    with Auteur() as auteur:
        for _ in range(TRIES):
            version = auteur.edl(project_id).version
            try:
                edited = auteur.edit(project_id, CUTS, version=version)
            except StaleEditError as exc:
                print(f"The timeline changed: {exc.version} → {exc.current}. Trying again.")
            else:
                print(f"version {edited.version}, {edited.duration_ms / 1000:.1f} s long")
                return
    sys.exit(f"The timeline changed during each of {TRIES} tries. Try again later.")


if __name__ == "__main__":
    main(sys.argv[1])
