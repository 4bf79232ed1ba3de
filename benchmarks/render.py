"""Measure the rendering of a 3-minute film of 30 cuts, beside FFmpeg by hand and MoviePy.

Ours is the engine as a worker runs it, from the timeline to the finished file. By hand, the same
film is one FFmpeg command with the same encoders, presets and quality, in the two usual ways: each
cut as an input with `-ss` and `-t`, joined by the `concat` filter; or a list for the `concat`
demuxer. The faster of the two counts. MoviePy gets the same codec, preset and threads. There is a
final film (x264 `fast`) and a proxy (`ultrafast`). Then one clip is changed, and our engine renders
the film again. Everything runs alone, in turn; the best run of each counts. MoviePy is installed in
a separate environment on first use.
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
"""The noise of the sensor, with which the film takes about 1.1 Mb/s, a usual rate. With more noise,
x264 takes so long that other differences hardly matter."""
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
    """Create films with motion that are about as easy to encode as usual footage."""
    paths = []
    for number in range(SOURCES):
        path = folder / f"camera-{number}.mp4"
        picture = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}:duration={SOURCE_SECONDS}"
        noisy = f"{picture},hue=h={number * 120},noise=alls={NOISE}:allf=t:all_seed={number}"
        tone = f"sine=frequency={220 * (number + 1)}:sample_rate=48000:duration={SOURCE_SECONDS}"
        inputs = ["-f", "lavfi", "-i", noisy, "-f", "lavfi", "-i", tone]
        coding = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -c:a aac -shortest"
        ffmpeg.run([*inputs, *coding.split(), path])
        paths.append(path)
    return paths


def build_cuts() -> list[Clip]:
    """Return the clips of the film: cameras in turn, never cut at a key frame."""
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


def render_by_filter(sources: list[Path], output: Output, target: Path) -> None:
    """Render by hand, with every cut as an input."""
    arguments: list[str | Path] = []
    for cut in build_cuts():
        arguments += ["-ss", str(cut.in_ms / 1000), "-t", str(CUT_MS / 1000)]
        arguments += ["-i", sources[cut.source]]
    joined = "".join(f"[{number}:v][{number}:a]" for number in range(CUTS))
    graph = f"{joined}concat=n={CUTS}:v=1:a=1[v][a]"
    mapping = ["-filter_complex", graph, "-map", "[v]", "-map", "[a]"]
    ffmpeg.run([*arguments, *mapping, *_encoded(output), target])


def render_by_demuxer(sources: list[Path], output: Output, target: Path) -> None:
    """Render by hand, with a list of cuts."""
    lines = ["ffconcat version 1.0"]
    for cut in build_cuts():
        lines += [f"file 'file:{sources[cut.source]}'", f"inpoint {cut.in_ms / 1000}"]
        lines += [f"outpoint {(cut.in_ms + CUT_MS) / 1000}"]
    listed = target.with_suffix(".ffconcat")
    listed.write_text("\n".join(lines) + "\n")
    ffmpeg.run(["-safe", "0", "-f", "concat", "-i", listed, *_encoded(output), target])


def _encoder(output: Output) -> tuple[str, ...]:
    return ENCODERS[Format.MP4, output.proxy]


def _encoded(output: Output) -> list[str]:
    options = f"-pix_fmt yuv420p -r {RATE} -movflags +faststart".split()
    return [*_encoder(output), *SOUND, *options]


def render_by_moviepy(sources: list[Path], output: Output, target: Path) -> None:
    """Render the same film by MoviePy."""
    options = dict(pairwise(_encoder(output)))
    order = {
        "sources": [str(path) for path in sources],
        "cuts": [
            (cut.source, cut.in_ms / 1000, (cut.in_ms + CUT_MS) / 1000) for cut in build_cuts()
        ],
        "target": str(target),
        "rate": RATE,
        "preset": options["-preset"],
        "crf": options["-crf"],
    }
    python = str(MOVIEPY_ENV / "bin" / "python")
    subprocess.run([python, "-c", BY_MOVIEPY, json.dumps(order)], check=True)


def prepare_moviepy() -> None:
    """Create the environment of MoviePy, whose dependencies conflict with ours."""
    python = MOVIEPY_ENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(MOVIEPY_ENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", MOVIEPY], check=True)


def build_changed_film(film: Timeline) -> Timeline:
    """Return the film with another second of one camera in the middle."""
    clips = list(film.tracks[0].clips)
    middle = clips[CUTS // 2]
    clips[CUTS // 2] = middle.model_copy(update={"in_ms": middle.in_ms + 1000})
    track = film.tracks[0].model_copy(update={"clips": tuple(clips)})
    return film.model_copy(update={"tracks": (track,)})


@dataclass
class Renderers:
    """The renderers of one film, each with separate files."""

    folder: Path
    sources: list[Path]
    output: Output

    def run(self) -> dict[str, float]:
        film = timeline(self.sources, build_cuts())
        with TemporaryDirectory(dir=self.folder) as folder:
            studio = Studio(Path(folder))
            target = Path(folder) / "film.mp4"
            return {
                "ours": measure_seconds(studio.render, film, self.output, self.sources),
                "one clip changed": measure_seconds(
                    studio.render, build_changed_film(film), self.output, self.sources
                ),
                "concat filter": measure_seconds(
                    render_by_filter, self.sources, self.output, target
                ),
                "concat demuxer": measure_seconds(
                    render_by_demuxer, self.sources, self.output, target
                ),
                "MoviePy": measure_seconds(render_by_moviepy, self.sources, self.output, target),
            }


def measure_seconds(work: Callable[..., object], *arguments: object) -> float:
    """Return the seconds that the work takes."""
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def measure(folder: Path, output: Output) -> dict[str, float]:
    """Return the best time of each renderer."""
    ways = Renderers(folder, make_sources(folder), output)
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
