"""A project as the server has it: one film on the timeline, and what is said in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auteur_client import Auteur

from tests.journeys.recordings import INTERVIEW

FILM_MS = 33_609
WORD_MS = 500
TEXT = "so this is um the film that we cut by its words and then render to take it home"
WORDS_IN_SEGMENT = 10


class Film:
    """The interview, transcribed as a test wants it."""

    def __init__(
        self,
        client: Auteur,
        token: str,
        words: Sequence[str] = tuple(TEXT.split()),
        word_ms: int = WORD_MS,
        file: Path = INTERVIEW,
    ) -> None:
        self.client, self.token = client, token
        project = client.request("POST", "/projects", json={"name": "Interview"})
        self.id = str(project["id"])
        media = client.upload(file, self.id)
        self.media_id = str(media.id)
        clip = {
            "id": "whole",
            "track_id": "film",
            "media_file_id": self.media_id,
            "start_ms": 0,
            "duration_ms": FILM_MS,
            "in_point_ms": 0,
            "out_point_ms": FILM_MS,
        }
        client.request(
            "PUT",
            f"/projects/{self.id}/edl",
            json={
                "tracks": [{"id": "film", "type": "video", "name": "Film", "clips": [clip]}],
                "transcript": {"segments": self._segments(words, word_ms)},
            },
            headers={"If-Match": f'"{self.edl()["version"]}"'},
        )

    def _segments(self, words: Sequence[str], word_ms: int) -> list[object]:
        placed: list[Any] = [
            {"word": word, "start_ms": n * word_ms, "end_ms": (n + 1) * word_ms, "confidence": 1}
            for n, word in enumerate(words)
        ]
        step = WORDS_IN_SEGMENT
        return [
            {
                "id": f"part-{n}",
                "media_file_id": self.media_id,
                "speaker": "Speaker 1",
                "start_ms": part[0]["start_ms"],
                "end_ms": part[-1]["end_ms"],
                "text": " ".join(word["word"] for word in part),
                "words": part,
            }
            for n, part in enumerate(placed[n : n + step] for n in range(0, len(placed), step))
        ]

    @property
    def path(self) -> str:
        """Where the studio shows it."""
        return f"#/projects/{self.id}"

    def edl(self) -> Any:
        return self.client.request("GET", f"/projects/{self.id}/edl")

    def clips(self) -> list[tuple[int, int]]:
        """Start and length of what plays."""
        live = [
            clip for track in self.edl()["tracks"] for clip in track["clips"] if not clip["deleted"]
        ]
        return sorted((clip["start_ms"], clip["duration_ms"]) for clip in live)

    def cut(self) -> list[int]:
        """Return the positions of the words that are cut."""
        words = [w for s in self.edl()["transcript"]["segments"] for w in s["words"]]
        return [n for n, word in enumerate(words) if word.get("deleted")]
