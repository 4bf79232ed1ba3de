"""Calls of the speech function, as the runner makes them."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.tts.contract import TtsPayload, TtsResult
from tests.gpu_tasks.workspaces import workspace

BASE = "http://127.0.0.1:9"

TEXT = (
    "Every interview was recorded in the same small room. I moved the answer about money to the "
    "beginning. Nobody will notice if we remove the second question. The story starts when she "
    "opens the letter. We should start with the old bridge in the morning light."
)


def payload(
    text: str = TEXT, *, speed: float = 1.0, voice: bool = False, seed: int = 7
) -> TtsPayload:
    """Return the payload of a call whose files do not exist."""
    return TtsPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url=f"{BASE}/callback",
        text=text,
        speed=speed,
        voice=InputFile(url=f"{BASE}/voice", name="voice.wav") if voice else None,
        seed=seed,
        result=OutputFile(key="r.wav", content_type="audio/wav"),
    )


def workspace_with(
    root: Path, voice: Path | None = None, progress: Callable[[float], None] = lambda _share: None
) -> Workspace:
    """Return a workspace that holds a copy of the voice sample, if there is one."""
    inputs = {} if voice is None else {"voice": voice}
    return workspace(root, inputs=dict(inputs), outputs=["result"], progress=progress)


def speak(
    engine: Engine,
    root: Path,
    text: str = TEXT,
    *,
    speed: float = 1.0,
    voice: Path | None = None,
    seed: int = 7,
) -> tuple[TtsResult, Path]:
    """Return the result, and the file that was written."""
    files = workspace_with(root, voice)
    request = payload(text, speed=speed, voice=voice is not None, seed=seed)
    result = engine.run(request, files)
    assert isinstance(result, TtsResult)
    return result, files.output("result")
