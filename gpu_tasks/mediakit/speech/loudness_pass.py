"""The pass that measures a recording's loudness, and the reading of its amplified sound."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gpu_tasks.mediakit.audio import Block, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.loudness import Meter, amplify


def measure_loudness(media: Path, report: Callable[[float], None]) -> Meter:
    """Measure the loudness of a recording; stop reading once it cannot be a quiet one."""
    meter = Meter()
    with open_media(media) as container:
        for block in SoundTrack(container).blocks():
            report(0.0)
            meter.measure(block.samples)
            if meter.is_loud_enough:
                break
    return meter


def read_amplified_blocks(
    track: SoundTrack, gain: float, report: Callable[[float], None]
) -> Iterator[Block]:
    """Yield the amplified blocks; report each, so that long silences can be cancelled."""
    for block in amplify(track.blocks(), gain):
        report(block.share)
        yield block
