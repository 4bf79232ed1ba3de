"""A Wan pipeline of random weights, of the classes of the real one."""

from pathlib import Path

from gpu_tasks.runtime import weights
from gpu_tasks.video_generation.contract import MODELS
from tests.gpu_tasks import tiny_texts

WIDTH = 16
PATCHES = (1, 6, 4)
"""Large, as the VAE's are, for the smallest film still has some thousand of the real size."""


def save(model_dir: Path) -> None:
    """Put it where the engine looks for its weights."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    torch.set_num_threads(1)  # tests run side by side: more would wait for each other
    text_encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=tiny_texts.VOCABULARY,
            d_model=WIDTH,
            d_kv=8,
            d_ff=WIDTH,
            num_layers=1,
            num_heads=2,
        )
    )
    transformer = WanTransformer3DModel(
        patch_size=PATCHES,
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=WIDTH,
        freq_dim=16,
        ffn_dim=WIDTH,
        num_layers=1,
    )
    vae = AutoencoderKLWan(
        base_dim=2,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=0,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    )
    pipeline = WanPipeline(
        tokenizer=tiny_texts.tokenizer(),
        text_encoder=text_encoder,
        vae=vae,
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ),
        transformer=transformer,
    )
    pipeline.save_pretrained(str(weights.get_folder(model_dir, MODELS["video"])))
