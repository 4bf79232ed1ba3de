"""Wan-Animate on diffusers: a portrait painted frame by frame after figures and faces.

Cheng et al. 2025, https://arxiv.org/abs/2509.14055; settings of `Wan-Video/Wan2.2`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from diffusers import AutoencoderKLWan, WanAnimatePipeline
from PIL import Image

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.performance_cloning.contract import CONTRACT
from gpu_tasks.runtime import diffusion
from gpu_tasks.runtime.engine import Host

STEPS = 20
GUIDANCE = 1.0
"""None: the model is made to be used without."""
PROMPT = "视频中的人在做动作"
"""“The person in the video is moving”: what the model was trained with, whatever is seen."""
SEGMENT = 77
"""Frames painted together at most; one more than a multiple of four."""
OVERLAP = 5
"""Frames that a segment takes over from the one before."""
SHORTEST = 13
"""Of a segment, in frames: where less than twice the overlap is new, the pipeline (0.42) counts one
too many."""
MULTIPLE = 16
"""Of which both sides are: latents are an eighth, and are seen in squares of two."""
MAX_AREA = 832 * 480
"""Pixels."""
PAINT_SECONDS = CONTRACT.time_limit_seconds * 2 // 3
"""Loading (48 GB in a cold container), watching and encoding have the rest."""
NEEDS_GIB = 70
"""Of a GPU's memory that holds all at once."""

_LAYERS, _CHANNELS, _WEIGHTS = 40, 5120, 14e9
_OPERATIONS_PER_SECOND = 150e12
"""Half of what an A100 does at best in half precision: an estimate, not a measurement."""
_ENCODING, _DECODING = 5.1e6, 8.5e6
"""Operations of the autoencoder for a pixel of a frame."""
_VAE_OPERATIONS_PER_SECOND = 30e12
"""A fifth of what an A100 does at best in TF32, for its layers are narrow: an estimate too."""


@dataclass(frozen=True)
class Effort:
    """How much is done for a film."""

    steps: int = STEPS
    max_area: int = MAX_AREA


class Wan:
    """The pipeline, in half precision but for its autoencoder."""

    def __init__(self, host: Host, effort: Effort) -> None:
        self._effort = effort
        self._pipeline = diffusion.load(
            WanAnimatePipeline,
            host,
            CONTRACT.models["video"],
            needs_gib=NEEDS_GIB,
            vae=AutoencoderKLWan,
        )

    @property
    def face_side(self) -> int:
        """Of the pictures of faces that the model sees, in pixels."""
        return int(self._pipeline.transformer.config.motion_encoder_size)

    def size_for(self, portrait: Frame, frames: int) -> tuple[int, int]:
        """Width and height of the film: the portrait's proportions, as large as time allows."""
        height, width = portrait.shape[:2]
        area = min(self._effort.max_area, _area(frames, self._effort.steps))
        scale = sqrt(area / (width * height))
        across, down = (
            max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (width, height)
        )
        return across, down

    def paint(
        self,
        portrait: Frame,
        figures: Sequence[Frame],
        faces: Sequence[Frame],
        *,
        seed: int,
        progress: Callable[[float], None],
    ) -> list[Frame]:
        """The portrait in each of the poses; all but the faces are of one size.

        ``progress`` hears the share done at every step of every segment.
        """
        count, length = segments(len(figures))
        steps = count * self._effort.steps
        height, width = figures[0].shape[:2]
        needed = count * (length - OVERLAP) + OVERLAP
        with diffusion.at_work(self._pipeline):
            output = self._pipeline(
                image=Image.fromarray(portrait),
                pose_video=_padded(figures, needed),
                face_video=_padded(faces, needed),
                prompt=PROMPT,
                height=height,
                width=width,
                segment_frame_length=length,
                prev_segment_conditioning_frames=OVERLAP,
                num_inference_steps=self._effort.steps,
                guidance_scale=GUIDANCE,
                generator=diffusion.generator(seed),
                callback_on_step_end=diffusion.after_each_step(lambda done: progress(done / steps)),
                output_type="np",
            )
        film = output.frames[0][: len(figures)]
        return list(diffusion.pictures(film, (len(figures), height, width, 3)))


def segments(frames: int) -> tuple[int, int]:
    """How many segments a film needs, and how long each is: no longer than they must be."""
    new = max(frames - OVERLAP, 1)
    count = ceil(new / (SEGMENT - OVERLAP))
    length = OVERLAP + ceil(new / count)
    return count, max(SHORTEST, 4 * ceil((length - 1) / 4) + 1)


def _area(frames: int, steps: int) -> float:
    """Pixels a frame may have, so that painting takes ``PAINT_SECONDS``.

    A step takes two operations for each weight and token, and the attention of 40 layers four for
    each channel and pair of tokens. The autoencoder, in single precision, sees a segment three
    times: it encodes the figures and what is taken over, and decodes the result. 20 seconds are 7
    segments of 77 frames; at 420 × 420 pixels, 21 × 690 tokens, a step is 0.58 PFLOP and 140 of
    them take nine minutes, the autoencoder with 1.8 PFLOP the tenth.
    """
    count, length = segments(frames)
    latents = (length - 1) // 4 + 2  # one is the portrait's
    pixels = length * MULTIPLE**2 / latents  # of frames, for a token
    squared = steps * 4 * _LAYERS * _CHANNELS / _OPERATIONS_PER_SECOND
    linear = steps * 2 * _WEIGHTS / _OPERATIONS_PER_SECOND
    linear += pixels * (2 * _ENCODING + _DECODING) / _VAE_OPERATIONS_PER_SECOND
    seconds = PAINT_SECONDS / count
    tokens = (sqrt(linear**2 + 4 * squared * seconds) - linear) / (2 * squared)
    return tokens / latents * MULTIPLE**2


def _padded(frames: Sequence[Frame], needed: int) -> list[Image.Image]:
    """As the pipeline wants them, with the last one standing still to the end of the segment."""
    pictures = [Image.fromarray(frame) for frame in frames]
    return pictures + pictures[-1:] * (needed - len(pictures))
