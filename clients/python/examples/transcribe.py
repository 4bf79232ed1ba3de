"""Write captions: `python transcribe.py talk.mp4` writes talk.srt; AUTEUR_URL, AUTEUR_TOKEN."""

import sys
from pathlib import Path

from auteur_client import Auteur


def main(film: Path) -> None:
    with Auteur() as auteur:
        project = auteur.create_project(film.stem)
        media = auteur.upload(film, project.id)
        job = auteur.run(
            "transcription",
            media_id=media.id,
            on_progress=lambda job: print(f"{job.status} {job.progress:.0%}"),
        )
        film.with_suffix(".srt").write_text(auteur.captions(project.id))
        print(f"{film.with_suffix('.srt')}, {job.credits_cost} credits, project {project.id}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
