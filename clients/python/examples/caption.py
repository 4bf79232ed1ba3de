"""Add captions to a film: `python caption.py talk.mp4 film.mp4`; AUTEUR_URL, AUTEUR_TOKEN."""

import sys
from pathlib import Path

from auteur_client import Auteur


def main(talk: Path, film: Path) -> None:
    with Auteur() as auteur:
        project = auteur.create_project(talk.stem)
        media = auteur.upload(talk, project.id)
        auteur.run("transcription", media_id=media.id)
        track = {"op": "add_track", "track_id": "film", "type": "video", "name": "Film"}
        clip = {"op": "add_clip", "track_id": "film", "media_file_id": str(media.id)}
        auteur.edit(project.id, [track, clip])
        job = auteur.run("render", project_id=project.id, captions="burned")
        auteur.download(job, film)
    print(film)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
