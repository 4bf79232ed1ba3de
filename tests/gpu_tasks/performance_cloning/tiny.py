"""Wan-Animate, RT-DETR and ViTPose, tiny and random, saved as the real ones are published."""

from pathlib import Path
from typing import Any

from gpu_tasks.performance_cloning.contract import MODELS
from gpu_tasks.runtime.weights import get_folder

FACE_SIDE = 16
"""Of the pictures of faces: 512 in the real one."""


def save(model_dir: Path) -> Path:
    """All of them where `weights.get_folder` names."""
    import torch

    torch.set_num_threads(1)  # they are so small that threads only wait for each other
    torch.manual_seed(0)
    _wan().save_pretrained(get_folder(model_dir, MODELS["video"]))
    _save_people(get_folder(model_dir, MODELS["people"]))
    _save_pose(get_folder(model_dir, MODELS["pose"]))
    return model_dir


def _wan() -> Any:
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanAnimatePipeline
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        T5Tokenizer,
        UMT5Config,
        UMT5EncoderModel,
    )

    tokenizer = T5Tokenizer()
    text = UMT5Config(
        vocab_size=len(tokenizer), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2
    )
    vision = CLIPVisionConfig(
        hidden_size=4,
        projection_dim=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=4,
        intermediate_size=8,
        patch_size=1,
    )
    return WanAnimatePipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(text),
        vae=AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ),
        image_processor=CLIPImageProcessor(crop_size=4, size=4),
        image_encoder=CLIPVisionModel(vision),
        transformer=_transformer(),
    )


def _transformer() -> Any:
    from diffusers import WanAnimateTransformer3DModel

    return WanAnimateTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=8,
        freq_dim=16,
        ffn_dim=16,
        num_layers=2,
        image_dim=4,
        rope_max_seq_len=32,
        motion_encoder_channel_sizes={"4": 8, "8": 8, "16": 8},
        motion_encoder_size=FACE_SIDE,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=8,
        face_encoder_hidden_dim=8,
        face_encoder_num_heads=2,
        inject_face_latents_blocks=2,
    )


def _save_people(path: Path) -> None:
    from transformers import (
        RTDetrConfig,
        RTDetrForObjectDetection,
        RTDetrImageProcessorPil,
        RTDetrResNetConfig,
    )

    backbone = RTDetrResNetConfig(
        embedding_size=4,
        hidden_sizes=[4, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 8, 8],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=8,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        num_labels=80,
    )
    RTDetrForObjectDetection(config).save_pretrained(path)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(path)


def _save_pose(path: Path) -> None:
    from transformers import (
        VitPoseBackboneConfig,
        VitPoseConfig,
        VitPoseForPoseEstimation,
        VitPoseImageProcessorPil,
    )

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        out_indices=[1],
    )
    VitPoseForPoseEstimation(
        VitPoseConfig(backbone_config=backbone, num_labels=17)
    ).save_pretrained(path)
    VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(path)
