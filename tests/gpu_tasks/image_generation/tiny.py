"""A Z-Image pipeline of random weights, of the classes of the real one."""

from pathlib import Path

from gpu_tasks.image_generation.contract import MODELS
from gpu_tasks.runtime import weights
from tests.gpu_tasks import tiny_texts

WIDTH = 32


def save(model_dir: Path) -> None:
    """Put it where the engine looks for its weights."""
    import torch
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        ZImagePipeline,
        ZImageTransformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3Model

    torch.manual_seed(0)
    torch.set_num_threads(1)  # tests run side by side: more would wait for each other
    text_encoder = Qwen3Model(
        Qwen3Config(
            vocab_size=tiny_texts.VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
        )
    )
    transformer = ZImageTransformer2DModel(
        dim=WIDTH,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[4, 6, 6],
    )
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[4, 4, 4, 4],
        layers_per_block=1,
        latent_channels=16,
        sample_size=256,
        norm_num_groups=2,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    pipeline = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tiny_texts.tokenizer(),
        transformer=transformer,
    )
    pipeline.save_pretrained(str(weights.get_folder(model_dir, MODELS["image"])))
