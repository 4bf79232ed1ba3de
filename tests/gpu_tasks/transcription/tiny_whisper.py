"""A Whisper of the real classes, small enough for tests, saved as weights are."""

from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from gpu_tasks.runtime import weights
from gpu_tasks.transcription.contract import MODELS

SAID = " Hello, world. It is me."
WIDTH = 64
LAYERS = 2
PROMPT = 4
"""Start, language, task and no timestamps stand before the first token of the text."""


def folder(model_dir: Path) -> Path:
    """Where the engine looks for Whisper."""
    return weights.get_folder(model_dir, MODELS["asr"])


def save(model_dir: Path, *, says: str, sureness: float = 1.0) -> Path:
    """Save a tiny Whisper that hears ``says`` in any sound; at a sureness of 0.1 it guesses."""
    torch.manual_seed(1)
    tokenizer = _tokenizer(model_dir)
    model = WhisperForConditionalGeneration(_config(tokenizer))
    tokens = [*tokenizer.encode(says, add_special_tokens=False), tokenizer.eos_token_id]
    _teach(model, tokens, sureness)
    model.generation_config = _generation_config(tokenizer)
    model.save_pretrained(folder(model_dir))
    features = WhisperFeatureExtractor(feature_size=80)
    WhisperProcessor(features, tokenizer).save_pretrained(folder(model_dir))
    return model_dir


def _tokenizer(model_dir: Path) -> WhisperTokenizer:
    """Bytes are the vocabulary; the special tokens follow in Whisper's order."""
    vocabulary = {character: i for i, character in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    names = ["startoftranscript", *LANGUAGES, "translate", "transcribe"]
    names += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    special: Any = [f"<|{name}|>" for name in ["endoftext", *names]]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens([f"<|{i * 0.02:.2f}|>" for i in range(1501)])
    return tokenizer


def _config(tokenizer: WhisperTokenizer) -> WhisperConfig:
    end = tokenizer.eos_token_id
    return WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=LAYERS,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=WIDTH,
        decoder_ffn_dim=WIDTH,
        num_mel_bins=80,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=tokenizer.convert_tokens_to_ids("<|startoftranscript|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def _generation_config(tokenizer: WhisperTokenizer) -> GenerationConfig:
    token = tokenizer.convert_tokens_to_ids
    end = tokenizer.eos_token_id
    return GenerationConfig(
        alignment_heads=[[0, 1], [1, 0]],
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": token(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={task: token(f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=token("<|notimestamps|>"),
        prev_sot_token_id=token("<|startofprev|>"),
        decoder_start_token_id=token("<|startoftranscript|>"),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_length=448,
        max_initial_timestamp_index=50,
        return_timestamps=False,
    )


def _teach(model: WhisperForConditionalGeneration, tokens: list[int], sureness: float) -> None:
    """Let each position call for one token, whatever is heard: the layers add nothing."""
    decoder = model.model.decoder
    with torch.no_grad():
        decoder.embed_tokens.weight.normal_(std=sureness)
        decoder.embed_positions.weight.zero_()
        for layer in decoder.layers:
            for last in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                last.weight.zero_()
                last.bias.zero_()
        for position, token in enumerate(tokens, start=PROMPT - 1):
            decoder.embed_positions.weight[position] = 9 * decoder.embed_tokens.weight[token]
