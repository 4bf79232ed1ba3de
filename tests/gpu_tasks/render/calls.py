"""Render calls, as the workflow makes them."""

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_tasks.render.contract import (
    Clip,
    Format,
    MediaReference,
    Output,
    RenderPayload,
    RenderResult,
    Timeline,
    Track,
)
from gpu_tasks.render.contract.segments import plan_render
from gpu_tasks.render.draft import DraftEngine
from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Workspace


def clip(source: int, start_ms: int, end_ms: int, in_ms: int = 0, **more: Any) -> Clip:
    """Return a clip, by default without sound."""
    fields = {"sounds": False, **more}
    return Clip(source=source, start_ms=start_ms, end_ms=end_ms, in_ms=in_ms, **fields)


def timeline(files: Sequence[Path], *tracks: Sequence[Clip], **more: Any) -> Timeline:
    """Video tracks, the lowest first."""
    return Timeline(
        sources=tuple(MediaReference(id=f"users/u/{file.name}", name=file.name) for file in files),
        tracks=tuple(Track(shows=True, clips=tuple(clips)) for clips in tracks),
        **more,
    )


def output(**fields: Any) -> Output:
    """Return a small film."""
    small = {"format": Format.MP4, "width": 96, "height": 48, "frame_rate": "25"}
    return Output(**{**small, **fields})


@dataclass
class Studio:
    """Renders films, and keeps their segments as our storage does."""

    root: Path
    kept: dict[str, Path] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def render(
        self,
        expected: Timeline,
        settings: Output,
        files: Sequence[Path | None],
        progress: Callable[[float], None] = lambda _share: None,
    ) -> tuple[RenderResult, Path]:
        """Return the result and the film; new segments are kept even if the call fails."""
        folder = self.root / uuid.uuid4().hex
        names = list(plan_render(expected, settings).segments)
        ready = [name for name in names if name in self.kept]
        missing = [name for name in names if name not in self.kept]
        self._place(folder, files, ready)
        self.made = []

        def keep(name: str, index: int) -> None:
            assert name == "made"
            stored = self.root / missing[index]
            shutil.copy(folder / "out" / "made" / str(index), stored)
            self.kept[missing[index]] = stored
            self.made.append(missing[index])

        payload = RenderPayload(
            job_id=uuid.uuid4(),
            attempt_id=uuid.uuid4(),
            callback_url="http://unused.test",
            timeline=expected,
            output=settings,
            sources=tuple(f and InputFile(url="http://unused.test", name=f.name) for f in files),
            ready=tuple(InputFile(url="http://unused.test", name=f"{n}.mp4") for n in ready),
            made=tuple(_written(f"renders/{n}.mp4") for n in missing),
            result=_written("film"),
        )
        workspace = Workspace(root=folder, progress=progress, keep=keep)
        result = DraftEngine().run(payload, workspace)
        return result, workspace.output("result")

    def _place(self, folder: Path, files: Sequence[Path | None], ready: Sequence[str]) -> None:
        for name in ("made", "result"):
            (folder / "out" / name).mkdir(parents=True)
        inputs: Mapping[str, Sequence[Path | None]] = {
            "sources": files,
            "ready": [self.kept[name] for name in ready],
        }
        for name, paths in inputs.items():
            for index, path in enumerate(paths):
                if path is not None:
                    position = folder / "in" / name / str(index)
                    position.mkdir(parents=True)
                    (position / path.name).symlink_to(path)


def _written(key: str) -> OutputFile:
    return OutputFile(key=key, content_type="video/mp4")
