"""A Qwen3-VL of the real classes, small enough for tests, saved as weights are."""

from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    GenerationConfig,
    Qwen2Tokenizer,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gpu_tasks.runtime import weights
from gpu_tasks.video_query.contract import MODELS

WIDTH = 32
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def folder(model_dir: Path) -> Path:
    """Where the engine looks for Qwen3-VL."""
    return weights.get_folder(model_dir, MODELS["vlm"])


def save(model_dir: Path) -> Path:
    """Save a tiny Qwen3-VL of random weights, with all that its folder has."""
    torch.manual_seed(1)
    tokenizer = Qwen2Tokenizer(
        vocab={character: i for i, character in enumerate(sorted(ByteLevel.alphabet()))},
        merges=[],
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    model = Qwen3VLForConditionalGeneration(_config(tokenizer))
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=end, do_sample=True, temperature=0.7, top_k=20, top_p=0.8
    )
    model.save_pretrained(folder(model_dir))
    tokenizer.save_pretrained(folder(model_dir))
    pictures = Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, size={"shortest_edge": 1024, "longest_edge": 512 * 512}
    )
    pictures.save_pretrained(folder(model_dir))
    settings = folder(model_dir) / "preprocessor_config.json"
    real = "Qwen2VLImageProcessorFast"  # what the published folder names, of torchvision's
    settings.write_text(settings.read_text().replace("Qwen2VLImageProcessor", real))
    return model_dir


def _config(tokenizer: Qwen2Tokenizer) -> Qwen3VLConfig:
    token = tokenizer.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "initializer_range": 0.3,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 3,
            "initializer_range": 0.3,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
