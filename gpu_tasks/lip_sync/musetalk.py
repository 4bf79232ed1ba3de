"""Repaint the lower half of a face with MuseTalk 1.5 on diffusers, so that it says a sound.

The network inpaints latents in one step. Its inputs are a face without its lower half, the whole
face, and the states of Whisper's encoder for the sound around the frame (Zhang et al. 2024,
https://arxiv.org/abs/2410.10122; weights and conventions of `TMElyralab/MuseTalk`).
"""

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import WhisperFeatureExtractor, WhisperModel

from gpu_tasks.lip_sync.contract import CONTRACT
from gpu_tasks.mediakit.audio import RATE, Samples
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.engine import Host

SIDE = 256
"""The side of the network's pictures, in pixels."""
VERSION = "musetalkV15"
"""The folder of the 1.5 weights in their repository."""
STATE_RATE = 50
"""Whisper's states per second."""
BEFORE, WINDOW = 4, 10
"""A frame gets ten states, beginning four before it: five frames at 25 per second."""
TIMESTEP = 0
"""There is one step, which removes all of the noise."""

Tensor = Any


class MuseTalk:
    """The three networks; faces are square RGB pictures of ``SIDE``."""

    def __init__(self, host: Host) -> None:
        def prepare(network: Any) -> Any:
            return network.to(host.device, dtype).eval().requires_grad_(False)

        dtype = getattr(torch, host.dtype)
        speech = host.weights(CONTRACT.models["speech"])
        self._features = WhisperFeatureExtractor.from_pretrained(speech)
        self._whisper = prepare(WhisperModel.from_pretrained(speech, dtype=dtype).encoder)
        vae = AutoencoderKL.from_pretrained(host.weights(CONTRACT.models["vae"]), torch_dtype=dtype)
        self._vae = prepare(vae)
        self._unet = prepare(_load_unet(host.weights(CONTRACT.models["unet"]) / VERSION))

    @torch.inference_mode()
    def encode_sound(self, sound: Samples, progress: Callable[[float], None]) -> Tensor:
        """Return states × layers × channels of the sound, ``STATE_RATE`` per second, on the CPU.

        Whisper processes thirty seconds at a time.
        """
        length = self._features.n_samples
        states = []
        for start in range(0, sound.size, length):
            part = sound[start : start + length]
            mel = self._features(part / np.float32(32768), sampling_rate=RATE, return_tensors="pt")
            mel = mel.input_features.to(self._whisper.device, self._whisper.dtype)
            layers = self._whisper(mel, output_hidden_states=True).hidden_states
            window_states = torch.stack(layers, dim=2)[0].cpu()
            states.append(window_states[: -(-part.size * STATE_RATE // RATE)])
            progress(min(1.0, (start + length) / sound.size))
        return torch.cat(states)

    @torch.inference_mode()
    def repaint_faces(self, faces: Sequence[Frame], windows: Tensor) -> list[Frame]:
        """Return the faces, each saying the sound around it; see ``select_windows``."""
        pixels = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2)
        pixels = pixels.to(self._vae.device, self._vae.dtype) / 127.5 - 1
        blank = pixels.clone()
        blank[:, :, SIDE // 2 :] = -1
        latents = torch.cat([self._encode_pixels(blank), self._encode_pixels(pixels)], dim=1)
        latents_out = self._unet(
            latents,
            torch.tensor([TIMESTEP], device=latents.device),
            encoder_hidden_states=_add_positions(windows.to(latents.device, torch.float32)).to(
                latents.dtype
            ),
        ).sample
        pictures = self._vae.decode(latents_out / self._vae.config.scaling_factor).sample.float()
        pictures = ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return [np.asarray(picture) for picture in pictures.permute(0, 2, 3, 1).cpu().numpy()]

    def _encode_pixels(self, pixels: Tensor) -> Tensor:
        # The mode, not a sample, so that the same film gives the same result.
        return self._vae.encode(pixels).latent_dist.mode() * self._vae.config.scaling_factor


def select_windows(states: Tensor, frames: Sequence[int], frame_rate: Fraction) -> Tensor:
    """Return the states around each of the frames: frames × (window · layers) × channels.

    Before the first and after the last state there are zeros.
    """
    starts = [int(frame * STATE_RATE / frame_rate) for frame in frames]
    silence = states.new_zeros(1, *states.shape[1:])
    padded = torch.cat([silence.expand(BEFORE, -1, -1), states, silence.expand(WINDOW, -1, -1)])
    last = padded.shape[0] - WINDOW
    windows = [padded[min(start, last) :][:WINDOW] for start in starts]
    return torch.stack(windows).flatten(1, 2)


def _add_positions(windows: Tensor) -> Tensor:
    """Add sines and cosines of the positions (Vaswani et al. 2017, section 3.5)."""
    positions, channels = windows.shape[1:]
    half = torch.arange(0, channels, 2, dtype=torch.float32, device=windows.device)
    angles = torch.arange(positions, dtype=torch.float32, device=windows.device)[:, None]
    angles = angles / 10_000 ** (half / channels)
    encoding = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return windows + encoding


def _load_unet(weights: Path) -> Any:
    """Load the network by its configuration.

    Its weights are safetensors or in PyTorch's own format.
    """
    config = json.loads((weights / "musetalk.json").read_text(encoding="utf-8"))
    unet = UNet2DConditionModel.from_config(config)
    safe = weights / "unet.safetensors"
    if safe.is_file():
        state = safetensors.torch.load_file(safe)
    else:
        state = torch.load(weights / "unet.pth", map_location="cpu", weights_only=True)
    unet.load_state_dict(state)
    return unet
