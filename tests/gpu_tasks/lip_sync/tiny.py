"""MuseTalk's networks, tiny and random, saved as the real ones are published."""

import json
from pathlib import Path

from gpu_tasks.lip_sync.contract import MODELS
from gpu_tasks.runtime.weights import get_folder

CHANNELS = 16
"""Of Whisper's states: 384 in the real one."""
LAYERS = 4


def save(model_dir: Path, *, safe: bool = True) -> Path:
    """Write all three networks to their folders, the largest as a pickle unless ``safe``."""
    import torch

    torch.set_num_threads(1)  # they are so small that threads only wait for each other
    torch.manual_seed(0)
    _save_vae(get_folder(model_dir, MODELS["vae"]))
    _save_whisper(get_folder(model_dir, MODELS["speech"]))
    _save_unet(get_folder(model_dir, MODELS["unet"]) / "musetalkV15", safe)
    return model_dir


def _save_vae(path: Path) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        layers_per_block=1,
        sample_size=256,
    )
    vae.save_pretrained(path)


def _save_whisper(path: Path) -> None:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    config = WhisperConfig(
        d_model=CHANNELS,
        encoder_layers=LAYERS,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    WhisperModel(config).save_pretrained(path)
    WhisperFeatureExtractor().save_pretrained(path)


def _save_unet(path: Path, safe: bool) -> None:
    import safetensors.torch
    import torch
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=8,
        out_channels=4,
        cross_attention_dim=CHANNELS,
        block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        norm_num_groups=2,
    )
    path.mkdir(parents=True)
    (path / "musetalk.json").write_text(json.dumps(dict(unet.config)), encoding="utf-8")
    if safe:
        safetensors.torch.save_file(unet.state_dict(), path / "unet.safetensors")
    else:
        torch.save(unet.state_dict(), path / "unet.pth")
