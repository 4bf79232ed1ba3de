"""Random models, tiny, of the classes that Stable Audio Open is made of."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderOobleck,
    CosineDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
)
from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel
from transformers import T5Config, T5EncoderModel, T5TokenizerFast

from gpu_tasks.audio_generation.contract import CHANNELS, MODELS, RATE
from gpu_tasks.runtime import weights

LATENT_SIZE = 100
"""Times the autoencoder's hop of 1024 samples: two seconds and a little."""
MAX_TOKENS = 12
_WIDTH = 16
_LATENTS = 4


def save(model_dir: Path, *, rate: int = RATE) -> Path:
    """Write the pipeline to where the engine finds its weights; returns ``model_dir``."""
    torch.manual_seed(0)
    StableAudioPipeline(
        vae=_autoencoder(rate),
        text_encoder=T5EncoderModel(_t5()).eval(),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=_WIDTH, conditioning_dim=_WIDTH, min_value=0, max_value=512
        ),
        tokenizer=_tokenizer(),
        transformer=_transformer(),
        scheduler=CosineDPMSolverMultistepScheduler(),
    ).save_pretrained(weights.get_folder(model_dir, MODELS["audio"]))
    return model_dir


def _t5() -> T5Config:
    return T5Config(vocab_size=300, d_model=_WIDTH, d_kv=8, d_ff=_WIDTH, num_layers=1, num_heads=2)


def _tokenizer() -> T5TokenizerFast:
    letters = [(letter, -3.0) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
    words = [("▁rain", -1.0), ("▁wind", -1.0), ("▁low", -1.0), ("▁quality", -1.0)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5TokenizerFast(
        vocab=[*special, *letters, *words], extra_ids=0, model_max_length=MAX_TOKENS
    )


def _transformer() -> StableAudioDiTModel:
    return StableAudioDiTModel(
        sample_size=LATENT_SIZE,
        in_channels=_LATENTS,
        out_channels=_LATENTS,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        num_key_value_attention_heads=2,
        cross_attention_dim=_WIDTH,
        cross_attention_input_dim=_WIDTH,
        time_proj_dim=8,
        global_states_input_dim=2 * _WIDTH,
    )


def _autoencoder(rate: int) -> AutoencoderOobleck:
    return AutoencoderOobleck(
        encoder_hidden_size=4,
        downsampling_ratios=[8, 8, 16],
        channel_multiples=[1, 1, 1],
        decoder_channels=4,
        decoder_input_channels=_LATENTS,
        audio_channels=CHANNELS,
        sampling_rate=rate,
    )
