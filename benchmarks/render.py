"""Rendering a 3-minute film of 30 cuts, beside the best FFmpeg command by hand, and MoviePy.

Ours is the engine as a worker runs it, from the timeline to the finished file. By hand, the same
film is one FFmpeg with the same encoders, presets and quality, in the two ways that people write:
each cut an input with `-ss` and `-t`, joined by the `concat` filter; or a list for the `concat`
demuxer. The better of the two counts. MoviePy gets the same codec, preset and threads. Once as a
final film (x264 `fast`), once as a proxy (`ultrafast`). Then one clip is changed and the film is
rendered again, by us. Everything runs alone, in turns; each best of its runs. MoviePy lives in an
environment of its own, made on first use.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from auteur.devstack.processes import BASE_DIR
from benchmarks import report
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Clip, Format, Output, Timeline
from gpu_tasks.render.pictures import ENCODERS
from tests.gpu_tasks.render.calls import Studio, clip, timeline

RUNS = int(os.environ.get("BENCHMARK_RENDER_RUNS", "2"))
WIDTH, HEIGHT, RATE = 640, 360, 25
CUTS, CUT_MS = 30, 6000
SOURCES, SOURCE_SECONDS = 3, 70
NOISE = 6
"""Of the sensor: the film then takes about 1.1 Mb/s, as footage of this size usually does. With
more, x264 takes so long that who feeds it hardly matters."""
MOVIEPY = "moviepy==2.2.1"
MOVIEPY_ENV = BASE_DIR / "var" / "benchmark-moviepy"
OUTPUT = Output(format=Format.MP4, width=WIDTH, height=HEIGHT, frame_rate=str(RATE))
SOUND = ("-c:a", "aac", "-b:a", "192k")

BY_MOVIEPY = """
import json, os, sys
from moviepy import VideoFileClip, concatenate_videoclips
order = json.loads(sys.argv[1])
films = [VideoFileClip(name) for name in order["sources"]]
parts = [films[source].subclipped(begin, end) for source, begin, end in order["cuts"]]
concatenate_videoclips(parts).write_videofile(
    order["target"], fps=order["rate"], codec="libx264", preset=order["preset"],
    audio_codec="aac", audio_bitrate="192k", threads=os.cpu_count(),
    ffmpeg_params=["-crf", order["crf"]], logger=None,
)
"""


def make_sources(folder: Path) -> list[Path]:
    """Films that move and are as easy to encode as most."""
    made = []
    for number in range(SOURCES):
        path = folder / f"camera-{number}.mp4"
        picture = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}:duration={SOURCE_SECONDS}"
        noisy = f"{picture},hue=h={number * 120},noise=alls={NOISE}:allf=t:all_seed={number}"
        tone = f"sine=frequency={220 * (number + 1)}:sample_rate=48000:duration={SOURCE_SECONDS}"
        inputs = ["-f", "lavfi", "-i", noisy, "-f", "lavfi", "-i", tone]
        coding = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -c:a aac -shortest"
        ffmpeg.run([*inputs, *coding.split(), path])
        made.append(path)
    return made


def cuts() -> list[Clip]:
    """The film: cameras in turn, never at a key frame."""
    return [
        clip(
            number % SOURCES,
            number * CUT_MS,
            (number + 1) * CUT_MS,
            in_ms=1000 + 2040 * number,
            sounds=True,
        )
        for number in range(CUTS)
    ]


def inputs_and_filter(sources: list[Path], output: Output, target: Path) -> None:
    """By hand: every cut an input."""
    arguments: list[str | Path] = []
    for one in cuts():
        arguments += ["-ss", str(one.in_ms / 1000), "-t", str(CUT_MS / 1000)]
        arguments += ["-i", sources[one.source]]
    joined = "".join(f"[{number}:v][{number}:a]" for number in range(CUTS))
    graph = f"{joined}concat=n={CUTS}:v=1:a=1[v][a]"
    shown = ["-filter_complex", graph, "-map", "[v]", "-map", "[a]"]
    ffmpeg.run([*arguments, *shown, *_encoded(output), target])


def list_and_demuxer(sources: list[Path], output: Output, target: Path) -> None:
    """By hand: a list of cuts."""
    lines = ["ffconcat version 1.0"]
    for one in cuts():
        lines += [f"file 'file:{sources[one.source]}'", f"inpoint {one.in_ms / 1000}"]
        lines += [f"outpoint {(one.in_ms + CUT_MS) / 1000}"]
    listed = target.with_suffix(".ffconcat")
    listed.write_text("\n".join(lines) + "\n")
    ffmpeg.run(["-safe", "0", "-f", "concat", "-i", listed, *_encoded(output), target])


def _encoder(output: Output) -> tuple[str, ...]:
    return ENCODERS[Format.MP4, output.proxy]


def _encoded(output: Output) -> list[str]:
    options = f"-pix_fmt yuv420p -r {RATE} -movflags +faststart".split()
    return [*_encoder(output), *SOUND, *options]


def by_moviepy(sources: list[Path], output: Output, target: Path) -> None:
    """The same film by MoviePy."""
    options = dict(pairwise(_encoder(output)))
    order = {
        "sources": [str(path) for path in sources],
        "cuts": [(one.source, one.in_ms / 1000, (one.in_ms + CUT_MS) / 1000) for one in cuts()],
        "target": str(target),
        "rate": RATE,
        "preset": options["-preset"],
        "crf": options["-crf"],
    }
    python = str(MOVIEPY_ENV / "bin" / "python")
    subprocess.run([python, "-c", BY_MOVIEPY, json.dumps(order)], check=True)


def prepare_moviepy() -> None:
    """Its environment, which pins what ours does not."""
    python = MOVIEPY_ENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(MOVIEPY_ENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", MOVIEPY], check=True)


def changed(film: Timeline) -> Timeline:
    """The film with another second of one camera in the middle."""
    clips = list(film.tracks[0].clips)
    middle = clips[CUTS // 2]
    clips[CUTS // 2] = middle.model_copy(update={"in_ms": middle.in_ms + 1000})
    track = film.tracks[0].model_copy(update={"clips": tuple(clips)})
    return film.model_copy(update={"tracks": (track,)})


@dataclass
class Ways:
    """The ways to one film, each into files of its own."""

    folder: Path
    sources: list[Path]
    output: Output

    def run(self) -> dict[str, float]:
        film = timeline(self.sources, cuts())
        with TemporaryDirectory(dir=self.folder) as folder:
            studio = Studio(Path(folder))
            target = Path(folder) / "film.mp4"
            return {
                "ours": seconds(studio.render, film, self.output, self.sources),
                "one clip changed": seconds(
                    studio.render, changed(film), self.output, self.sources
                ),
                "concat filter": seconds(inputs_and_filter, self.sources, self.output, target),
                "concat demuxer": seconds(list_and_demuxer, self.sources, self.output, target),
                "MoviePy": seconds(by_moviepy, self.sources, self.output, target),
            }


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def measure(folder: Path, output: Output) -> dict[str, float]:
    """The best of each."""
    ways = Ways(folder, make_sources(folder), output)
    runs = [ways.run() for _ in range(RUNS)]
    return {name: min(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    prepare_moviepy()
    with TemporaryDirectory(prefix="auteur-benchmark-") as folder:
        took = measure(Path(folder), OUTPUT)
        proxy = measure(Path(folder), OUTPUT.model_copy(update={"proxy": True}))
    by_hand = min(took["concat filter"], took["concat demuxer"])
    report.show(
        benchmark="render",
        title=f"Seconds for 3 minutes, {CUTS} cuts, {WIDTH} × {HEIGHT}, {RATE}/s, "
        f"{os.cpu_count()} cores",
        columns=("way", "final", "proxy"),
        rows=[(name, took[name], proxy[name]) for name in took],
        ours=took["ours"],
        baselines={"ffmpeg_by_hand": by_hand, "moviepy": took["MoviePy"]},
        less_is_better=True,
        goals={"ffmpeg_by_hand": round(1 / 1.1, 2), "moviepy": 1.3, "one_clip_changed": 0.25},
        one_clip_changed=round(took["one clip changed"] / took["ours"], 3),
        proxy_moviepy=round(proxy["MoviePy"] / proxy["ours"], 2),
    )


if __name__ == "__main__":
    main()
