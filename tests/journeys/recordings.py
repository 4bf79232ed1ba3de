"""Recordings for journeys, made from the shipped sample."""

import wave
from pathlib import Path
from typing import Any

import av

from auteur.devstack.processes import BASE_DIR

SAMPLES = BASE_DIR / "auteur" / "devstack" / "samples"
INTERVIEW = SAMPLES / "interview.mp4"
BROKEN = SAMPLES / "broken.mp4"
RATE = 16_000


def beginning(path: Path, seconds: float) -> Path:
    """Of the interview, sound and pictures as they are."""
    with av.open(str(INTERVIEW)) as whole, av.open(str(path), "w") as created:
        streams: Any = whole.streams
        tracks = [created.add_stream_from_template(stream) for stream in streams]
        for packet in whole.demux():
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = tracks[packet.stream.index]
                created.mux(packet)
    return path


def repeated(path: Path, times: int) -> Path:
    """The interview's sound, several times over: work for long enough to be interrupted."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(INTERVIEW)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    sound = b"".join(frame.to_ndarray().tobytes() for frame in frames)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound * times)
    return path
