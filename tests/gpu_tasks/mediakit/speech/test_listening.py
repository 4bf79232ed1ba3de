"""Each block of the sound is told of."""

from pathlib import Path

import pytest

from gpu_tasks.mediakit.audio import RATE, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.speech.loudness_pass import read_amplified_blocks
from gpu_tasks.runtime.errors import StoppedError
from tests.gpu_tasks.recordings import tone, write_sound


def test_every_block_is_told_and_may_be_the_last(tmp_path: Path):
    reports: list[float] = []

    def stop_in_the_middle(share: float) -> None:
        reports.append(share)
        if share > 0.5:
            raise StoppedError

    recording = write_sound(tmp_path / "tone.wav", "pcm_s16le", tone(3.0), rate=RATE)
    with open_media(recording) as container, pytest.raises(StoppedError):
        list(read_amplified_blocks(SoundTrack(container), 1.0, stop_in_the_middle))
    assert reports == sorted(reports)
    assert 0.5 < reports[-1] < 0.9
