"""How both engines take in the sound: watched block by block, and lifted where it is quiet."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gpu_tasks.mediakit.audio import Block, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.loudness import Meter, louder


def measure(media: Path, report: Callable[[float], None]) -> Meter:
    """How loud a recording is; it is read on only as long as it may still be a quiet one."""
    meter = Meter()
    with open_media(media) as container:
        for block in SoundTrack(container).blocks():
            report(0.0)
            meter.hear(block.samples)
            if meter.is_usual:
                break
    return meter


def listen(track: SoundTrack, gain: float, report: Callable[[float], None]) -> Iterator[Block]:
    """The blocks, with a report for each: long silences are work too, and can be cancelled."""
    for block in louder(track.blocks(), gain):
        report(block.share)
        yield block
