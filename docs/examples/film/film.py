"""A recording in, captions and a film without pauses out.

Needs the package `auteur-client`, AUTEUR_URL and AUTEUR_TOKEN.
"""

import sys

# --8<-- [start:client]
from auteur_client import Auteur

auteur = Auteur()
# --8<-- [end:client]

file, film = sys.argv[1:]

# --8<-- [start:project]
project = auteur.create_project("My film")
# --8<-- [end:project]

# --8<-- [start:upload]
media = auteur.upload(file, project.id)
# --8<-- [end:upload]

# --8<-- [start:estimate]
quote = auteur.estimate("transcription", media_id=media.id, language="en")
print(quote.credits)
# --8<-- [end:estimate]

# --8<-- [start:transcribe]
job = auteur.run(
    "transcription",
    media_id=media.id,
    language="en",
    on_progress=lambda job: print(f"{job.status} {job.progress:.0%}"),
    idempotency_key=f"transcribe-{media.id}",
)
# --8<-- [end:transcribe]

# --8<-- [start:captions]
print(auteur.captions(project.id, "srt"))
# --8<-- [end:captions]

# --8<-- [start:cut]
edited = auteur.edit(
    project.id,
    [
        {"op": "add_track", "track_id": "v1", "type": "video", "name": "Video 1"},
        {
            "op": "add_clip",
            "track_id": "v1",
            "media_file_id": str(media.id),
            "start_ms": 0,
            "in_point_ms": 0,
            "out_point_ms": media.duration_ms,
        },
        {"op": "cut_fillers"},
        {"op": "cut_silences", "threshold_ms": 500},
    ],
    version=auteur.edl(project.id).version,
)
print(edited.version, edited.duration_ms, edited.removed)
# --8<-- [end:cut]

# --8<-- [start:render]
job = auteur.run("render", project_id=project.id, proxy=True)
auteur.download(job, film)
# --8<-- [end:render]
