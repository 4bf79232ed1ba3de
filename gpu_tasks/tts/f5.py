"""Load and run F5-TTS and its vocoder, from folders as their authors publish them.

Code: the packages `f5-tts` and `vocos` (MIT). The architecture's sizes are read from the weights,
so the folder may hold any model of F5-TTS v1's architecture: one ``model_*.safetensors``, its
tensors named as the authors name them (``ema_model.`` may be left out), and the ``vocab.txt`` of
its training, in `VARIANT` or alone. Checkpoints of other formats (``.pt``) must be converted first.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from f5_tts.model.backbones.dit import DiT
from f5_tts.model.cfm import CFM
from f5_tts.model.utils import convert_char_to_pinyin, get_tokenizer
from safetensors.torch import load_file
from vocos import Vocos

from gpu_tasks.runtime.engine import Host
from gpu_tasks.tts.contract import CONTRACT, SAMPLE_RATE
from gpu_tasks.tts.planning import HOP

VARIANT = "F5TTS_v1_Base"
"""The folder of the authors' current weights, beside older ones; others publish a single set."""
CHECKPOINT = "model_*.safetensors"
VOCABULARY = "vocab.txt"
PREFIX = "ema_model."
NOT_WEIGHTS = (
    "initted",
    "step",
    "mel_spec.mel_stft.mel_scale.fb",
    "mel_spec.mel_stft.spectrogram.window",
)
"""The training's counters, and constants that older versions stored."""
MEL_CHANNELS = 100
WINDOW = 1024
HEAD_SIZE = 64
GUIDANCE = 2.0
SWAY = -1.0
"""The authors' choice of classifier-free guidance and of time steps (paper, section 3.3)."""

Weights = Mapping[str, Any]


class Speaker:
    """F5-TTS with its vocoder; it continues a sample's sound with new text."""

    def __init__(self, host: Host) -> None:
        acoustic = _load_acoustic_model(host.weights(CONTRACT.models["tts"]))
        self._model = acoustic.to(device=host.device, dtype=getattr(torch, host.dtype)).eval()
        self._vocoder = (
            _load_vocoder(host.weights(CONTRACT.models["vocoder"])).to(host.device).eval()
        )
        self._device = host.device

    def speak(
        self,
        sample: Any,
        text: str,
        *,
        frames: int,
        sample_frames: int,
        steps: int,
        seed: int,
        stepped: Callable[[], None],
    ) -> Any:
        """Return samples (1, n) at 24 kHz that follow the sample.

        ``text`` begins with the sample's text. ``stepped`` is called before each step and may raise
        to stop.
        """
        with torch.inference_mode(), self._call_before_steps(stepped):
            mel, _ = self._model.sample(
                cond=sample.to(self._device),
                text=convert_char_to_pinyin([text]),
                duration=sample_frames + frames,
                steps=steps,
                cfg_strength=GUIDANCE,
                sway_sampling_coef=SWAY,
                seed=seed,
            )
            new = mel.float()[:, sample_frames:, :].permute(0, 2, 1)
            return self._vocoder.decode(new).cpu()

    @contextmanager
    def _call_before_steps(self, stepped: Callable[[], None]) -> Iterator[None]:
        transformer = self._model.transformer
        hook = transformer.register_forward_pre_hook(lambda *_: stepped())
        try:
            yield
        finally:
            hook.remove()
            transformer.clear_cache()  # a stopped call must not leave its text to the next


def _load_acoustic_model(folder: Path) -> Any:
    inner = folder / VARIANT if (folder / VARIANT).is_dir() else folder
    checkpoints = list(inner.glob(CHECKPOINT))
    if len(checkpoints) != 1:
        raise FileNotFoundError(f"one {CHECKPOINT} is needed, {len(checkpoints)} are in {inner}")
    vocabulary, _ = get_tokenizer(str(inner / VOCABULARY), "custom")
    tensors = load_file(checkpoints[0])
    names = {name: name.removeprefix(PREFIX) for name in tensors}
    weights = {key: tensors[name] for name, key in names.items() if key not in NOT_WEIGHTS}
    model = CFM(
        transformer=DiT(**infer_architecture(weights), mel_dim=MEL_CHANNELS),
        mel_spec_kwargs={
            "n_fft": WINDOW,
            "hop_length": HOP,
            "win_length": WINDOW,
            "n_mel_channels": MEL_CHANNELS,
            "target_sample_rate": SAMPLE_RATE,
            "mel_spec_type": "vocos",
        },
        odeint_kwargs={"method": "euler"},
        vocab_char_map=vocabulary,
    )
    model.load_state_dict(weights)
    return model


def infer_architecture(weights: Weights) -> dict[str, int]:
    """Return the sizes of the transformer whose weights these are."""
    embedding = weights["transformer.text_embed.text_embed.weight"]
    block = "transformer.transformer_blocks.0"
    dim = weights["transformer.proj_out.weight"].shape[1]
    return {
        "dim": dim,
        "depth": _count_blocks(weights, "transformer.transformer_blocks."),
        "heads": weights[f"{block}.attn.to_q.weight"].shape[0] // HEAD_SIZE,
        "ff_mult": weights[f"{block}.ff.ff.0.0.weight"].shape[0] // dim,
        "text_dim": embedding.shape[1],
        "text_num_embeds": embedding.shape[0] - 1,
        "conv_layers": _count_blocks(weights, "transformer.text_embed.text_blocks."),
    }


def _count_blocks(weights: Weights, prefix: str) -> int:
    indices = {name.removeprefix(prefix).partition(".")[0] for name in weights if prefix in name}
    return len(indices)


def _load_vocoder(folder: Path) -> Any:
    vocoder = Vocos.from_hparams(str(folder / "config.yaml"))
    state = torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
    vocoder.load_state_dict(state)
    return vocoder
