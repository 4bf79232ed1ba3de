"""Paint a portrait frame by frame after figures and faces, with Wan-Animate on diffusers.

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
"""No guidance: the model is made to be used without it."""
PROMPT = "视频中的人在做动作"
"""“The person in the video is moving”: the prompt of the model's training, for any content."""
SEGMENT = 77
"""The most frames painted together; one more than a multiple of four."""
OVERLAP = 5
"""Frames that a segment takes over from the one before."""
SHORTEST = 13
"""The shortest segment in frames: if less than twice the overlap is new, the pipeline (0.42) counts
one segment too many.
"""
MULTIPLE = 16
"""Both sides are multiples of this: latents are an eighth, in patches of two."""
MAX_AREA = 832 * 480
"""Pixels."""
PAINT_SECONDS = CONTRACT.time_limit_seconds * 2 // 3
"""The rest of the time is for loading (48 GB in a cold container), tracking and encoding."""
NEEDS_GIB = 70
"""The memory of a GPU that holds all networks at once."""

_LAYERS, _CHANNELS, _WEIGHTS = 40, 5120, 14e9
_OPERATIONS_PER_SECOND = 150e12
"""Half of what an A100 does at best in half precision: an estimate, not a measurement."""
_ENCODING, _DECODING = 5.1e6, 8.5e6
"""Operations of the autoencoder for a pixel of a frame."""
_VAE_OPERATIONS_PER_SECOND = 30e12
"""A fifth of what an A100 does at best in TF32, for its layers are narrow: an estimate too."""


@dataclass(frozen=True)
class Effort:
    """The work that is done for a film."""

    steps: int = STEPS
    max_area: int = MAX_AREA


class Wan:
    """The pipeline, in half precision except for its autoencoder."""

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
        """Return the side of the model's pictures of faces, in pixels."""
        return int(self._pipeline.transformer.config.motion_encoder_size)

    def choose_size(self, portrait: Frame, frames: int) -> tuple[int, int]:
        """Return the film's width and height, in the portrait's proportions.

        The film is as large as the time limit allows.
        """
        height, width = portrait.shape[:2]
        area = min(self._effort.max_area, _compute_max_frame_area(frames, self._effort.steps))
        scale = sqrt(area / (width * height))
        film_width, film_height = (
            max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (width, height)
        )
        return film_width, film_height

    def paint(
        self,
        portrait: Frame,
        figures: Sequence[Frame],
        faces: Sequence[Frame],
        *,
        seed: int,
        progress: Callable[[float], None],
    ) -> list[Frame]:
        """Paint the portrait in each of the poses; all pictures except the faces have one size.

        ``progress`` receives the completed share at every step of every segment.
        """
        count, length = plan_segments(len(figures))
        steps = count * self._effort.steps
        height, width = figures[0].shape[:2]
        padded_count = count * (length - OVERLAP) + OVERLAP
        with diffusion.free_gpu_memory(self._pipeline):
            output = self._pipeline(
                image=Image.fromarray(portrait),
                pose_video=_pad_frames(figures, padded_count),
                face_video=_pad_frames(faces, padded_count),
                prompt=PROMPT,
                height=height,
                width=width,
                segment_frame_length=length,
                prev_segment_conditioning_frames=OVERLAP,
                num_inference_steps=self._effort.steps,
                guidance_scale=GUIDANCE,
                generator=diffusion.build_generator(seed),
                callback_on_step_end=diffusion.build_step_callback(
                    lambda completed_steps: progress(completed_steps / steps)
                ),
                output_type="np",
            )
        film = output.frames[0][: len(figures)]
        return list(diffusion.convert_to_pictures(film, (len(figures), height, width, 3)))


def plan_segments(frames: int) -> tuple[int, int]:
    """Return how many segments a film needs, and the least length of each."""
    new_frames = max(frames - OVERLAP, 1)
    count = ceil(new_frames / (SEGMENT - OVERLAP))
    length = OVERLAP + ceil(new_frames / count)
    return count, max(SHORTEST, 4 * ceil((length - 1) / 4) + 1)


def _compute_max_frame_area(frames: int, steps: int) -> float:
    """Return the pixels that a frame may have, so that painting takes ``PAINT_SECONDS``.

    A step takes two operations for each weight and token, and the attention of 40 layers four for
    each channel and pair of tokens. The autoencoder, in single precision, processes a segment three
    times: it encodes the figures and the overlap, and decodes the result. 20 seconds are 7 segments
    of 77 frames; at 420 × 420 pixels, 21 × 690 tokens, a step is 0.58 PFLOP and 140 of them take
    nine minutes, the autoencoder with 1.8 PFLOP one more.
    """
    count, length = plan_segments(frames)
    latents = (length - 1) // 4 + 2  # one is the portrait's
    pixels = length * MULTIPLE**2 / latents  # of frames, for a token
    squared = steps * 4 * _LAYERS * _CHANNELS / _OPERATIONS_PER_SECOND
    linear = steps * 2 * _WEIGHTS / _OPERATIONS_PER_SECOND
    linear += pixels * (2 * _ENCODING + _DECODING) / _VAE_OPERATIONS_PER_SECOND
    seconds = PAINT_SECONDS / count
    tokens = (sqrt(linear**2 + 4 * squared * seconds) - linear) / (2 * squared)
    return tokens / latents * MULTIPLE**2


def _pad_frames(frames: Sequence[Frame], count: int) -> list[Image.Image]:
    """Return the frames for the pipeline, the last one repeated to the end of the segment."""
    pictures = [Image.fromarray(frame) for frame in frames]
    return pictures + pictures[-1:] * (count - len(pictures))
