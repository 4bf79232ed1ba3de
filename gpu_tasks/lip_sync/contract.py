"""The contract of lip-sync: a film and a recording in, the film with the recording's speech out."""

from pydantic import Field

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    InputFile,
    OutputFile,
    Payload,
    PlainModel,
)

MODELS = {
    # `musetalkV15/unet.pth` and `musetalkV15/musetalk.json` of it. By its authors' README the code
    # is MIT and the model free for any purpose, commercial too; its page on the hub is tagged
    # creativeml-openrail-m, which forbids some uses.
    "unet": "TMElyralab/MuseTalk@3ef28bc5cff08c90ad8178a25f1b570cd800170f",
    "vae": "stabilityai/sd-vae-ft-mse@31f26fdeee1355a5c34592e401dd41e45d25a493",
    # Used only if the face is enhanced; a mirror of TencentARC's GFPGAN 1.4: Apache-2.0 except
    # for third-party parts, StyleGAN2 (NVIDIA: for research and evaluation only) and DFDNet
    # (CC BY-NC-SA 4.0). Not for commercial work.
    "restoration": "gmk123/GFPGAN@e881fbc251fdf2a4f133ad8277dd5dadbd1c541a",
    "speech": "openai/whisper-tiny@169d4a4341b33bc18d8881c4b69c2e104e1cc0af",
}

MAX_SECONDS = 120
"""The longest recording: at 30 frames of 1080p per second, faces enhanced, it is done in time."""
MIN_SECONDS = 0.2
MAX_RATE = 30
"""Frames per second of the result: higher rates are halved."""
MIN_RATE = 20
"""Lower rates are raised to 25, because lips move faster than that."""
MIN_FACE_SHARE = 0.1
"""If fewer of the frames show a face, nobody in the film can speak."""


class LipSyncPayload(Payload):
    """``result`` receives an MP4 as long as ``audio``.

    A film that is too short is played forwards and backwards in turn until the recording ends,
    so that nothing jumps where it begins again; one that is too long is cut.
    """

    video: InputFile
    audio: InputFile
    enhance_face: bool = Field(
        description="Restore the detail of the new lower face: production only."
    )
    result: OutputFile


class LipSyncResult(PlainModel):
    """The properties of the film, and in how many frames a face was found."""

    duration_ms: int = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_rate: float = Field(gt=0)
    frames: int = Field(gt=0)
    frames_with_face: int = Field(ge=0, description="The others are as they were.")


CONTRACT = Contract(
    name="lip_sync",
    gpu=GpuClass.A10G,
    image=ImageFamily.FACE,
    time_limit_seconds=600,
    payload=LipSyncPayload,
    result=LipSyncResult,
    models=MODELS,
    memory_mb=16384,
)
