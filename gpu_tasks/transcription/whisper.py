"""Whisper: the words of chunks of sound, with their times and how sure the model is of them.

Text and timing are two passes over one encoding, as in Whisper's own word timing (Radford et al.
2022; `openai/whisper`): text is generated without time tokens, then read back in one pass, whose
cross-attention says when each token is heard and whose logits how likely it was.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSpeechSeq2Seq,
    AutoProcessor,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.generation_whisper import _median_filter
from transformers.models.whisper.tokenization_whisper import (
    LANGUAGES,
    _combine_tokens_into_words,
)

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.speech.utterances import HeardWord
from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.generation import watched_by
from gpu_tasks.transcription import alignment
from gpu_tasks.transcription.chunks import Chunk
from gpu_tasks.transcription.contract import CONTRACT

SAMPLES_PER_POSITION = 320
"""The encoder gives one position for 20 ms of sound."""
MAX_TOKENS = 224
"""Half of the decoder's positions, as Whisper itself takes; nobody says more in half a minute."""
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried in this order until a text is not doubtful (these and what follows: Whisper's defaults)."""
MAX_COMPRESSION = 2.4
"""Text that compresses better than this repeats itself."""
MIN_LOGPROB = -1.0
"""Text that is less likely than this, on average over its tokens, is guessed."""
MAX_NO_SPEECH = 0.6
"""A guess at what is this probably no speech is dropped."""
SEED = 0


@dataclass(frozen=True)
class Reading:
    """The tokens of a chunk, where each is heard (one more: the end), and their likelihoods."""

    tokens: list[int]
    heard: alignment.Matrix
    """By token and encoder position: high where the token is heard."""
    logprobs: list[float]
    no_speech: float
    text: str

    @property
    def guessed(self) -> bool:
        """Whether the model was unsure of most of it; the end of the text counts as a token."""
        return float(np.mean(self.logprobs)) < MIN_LOGPROB

    @property
    def silent(self) -> bool:
        """Whether this is most likely invented: nobody speaks."""
        return not self.tokens or (self.guessed and self.no_speech > MAX_NO_SPEECH)

    @property
    def doubtful(self) -> bool:
        """Whether another try may do better."""
        raw = self.text.encode()
        repeats = len(raw) / len(zlib.compress(raw)) > MAX_COMPRESSION if raw else False
        return not self.silent and (repeats or self.guessed)


class Whisper:
    """The model; one batch at a time."""

    def __init__(self, host: Host) -> None:
        folder = host.weights(CONTRACT.models["asr"])
        self._device = host.device
        self._dtype = getattr(torch, host.dtype)
        self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        self._tokenizer = self._processor.tokenizer
        self._model = AutoModelForSpeechSeq2Seq.from_pretrained(
            folder, dtype=self._dtype, use_safetensors=True, local_files_only=True
        )
        self._model.to(host.device).eval()

    @torch.inference_mode()
    def words(
        self, chunks: Sequence[Chunk], language: str, tick: Callable[[], None]
    ) -> list[HeardWord]:
        """What is said in the chunks, at its times in the media.

        ``tick`` is called at each step and may raise to stop. The same chunks give the same words.
        """
        devices = [self._device] if self._device.startswith("cuda") else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(SEED)
            readings = self._readings(chunks, language, tick)
        return [
            word
            for chunk, reading in zip(chunks, readings, strict=True)
            if not reading.silent
            for word in self._placed(chunk, reading, language)
        ]

    def _readings(
        self, chunks: Sequence[Chunk], language: str, tick: Callable[[], None]
    ) -> list[Reading]:
        """The first reading of each chunk that is not doubtful, else the last."""
        encoded = self._encode(chunks)
        readings: dict[int, Reading] = {}
        for temperature in TEMPERATURES:
            waiting = [i for i in range(len(chunks)) if i not in readings or readings[i].doubtful]
            if not waiting:
                break
            tokens = self._generate(encoded[waiting], language, temperature, tick)
            for index, each in zip(waiting, tokens, strict=True):
                tick()
                positions = -(-chunks[index].samples.size // SAMPLES_PER_POSITION)
                readings[index] = self._read_back(
                    encoded[index : index + 1], language, each, positions
                )
        return [readings[index] for index in range(len(chunks))]

    def _encode(self, chunks: Sequence[Chunk]) -> Any:
        features = self._processor.feature_extractor(
            [chunk.samples.astype(np.float32) / 32768 for chunk in chunks],
            sampling_rate=RATE,
            return_tensors="pt",
        ).input_features
        return self._model.get_encoder()(features.to(self._device, self._dtype)).last_hidden_state

    def _generate(
        self, encoded: Any, language: str, temperature: float, tick: Callable[[], None]
    ) -> list[list[int]]:
        """The tokens of the text of each row, without any special ones."""
        rows = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
            language=language,
            task="transcribe",
            return_timestamps=False,
            condition_on_prev_tokens=False,
            temperature=temperature,
            max_new_tokens=MAX_TOKENS,
            stopping_criteria=watched_by(lambda _: tick()),
        )
        end = self._tokenizer.eos_token_id  # all tokens from it on are special
        return [[token for token in row if token < end] for row in rows.tolist()]

    def _read_back(self, encoded: Any, language: str, tokens: list[int], positions: int) -> Reading:
        """One pass over a text that is known already."""
        prompt = self._prompt(language)
        row = torch.tensor([[*prompt, *tokens]], device=self._device)
        self._model.set_attn_implementation("eager")  # the others do not tell their weights
        try:
            seen = self._model(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
                decoder_input_ids=row,
                output_attentions=True,
                use_cache=False,
            )
        finally:
            self._model.set_attn_implementation("sdpa")
        likelihoods = seen.logits[0].float().log_softmax(dim=-1)
        wanted = torch.tensor([*tokens, self._tokenizer.eos_token_id], device=self._device)
        logprobs = likelihoods[len(prompt) - 1 :].gather(1, wanted[:, None])[:, 0]
        no_speech = likelihoods[0, self._token("<|notimestamps|>") - 1].exp()
        return Reading(
            tokens=tokens,
            heard=self._heard(seen.cross_attentions, len(prompt), positions),
            logprobs=logprobs.tolist(),
            no_speech=float(no_speech),
            text=self._tokenizer.decode(tokens),
        )

    def _heard(self, attentions: Any, skipped: int, positions: int) -> alignment.Matrix:
        """How much each token, and the end, attends to each position."""
        heads = self._model.generation_config.alignment_heads
        weights = torch.stack([attentions[layer][0, head] for layer, head in heads]).float()
        # The row of a token tells where the one after it is heard: the first is the last prompt's.
        weights = weights[:, skipped - 1 :, :positions]
        spread = weights.std(dim=-2, keepdim=True, unbiased=False).clamp_min(1e-6)
        weights = (weights - weights.mean(dim=-2, keepdim=True)) / spread
        if weights.shape[-1] > self._model.config.median_filter_width:
            weights = _median_filter(weights, self._model.config.median_filter_width)
        found: alignment.Matrix = weights.mean(dim=0).cpu().double().numpy()
        return found

    def _prompt(self, language: str) -> list[int]:
        names = ("startoftranscript", language, "transcribe", "notimestamps")
        return [self._token(f"<|{name}|>") for name in names]

    def _token(self, name: str) -> int:
        return int(self._tokenizer.convert_tokens_to_ids(name))

    def _placed(self, chunk: Chunk, reading: Reading, language: str) -> list[HeardWord]:
        """The words of a reading, at their times in the media."""
        texts, _, indices = _combine_tokens_into_words(
            self._tokenizer, reading.tokens, LANGUAGES.get(language, language)
        )
        begins = alignment.begins(-reading.heard) * SAMPLES_PER_POSITION
        words = []
        for text, parts in zip(texts, indices, strict=True):
            start, end = _within_speech(
                int(begins[parts[0]]), int(begins[parts[-1] + 1]), chunk.spans
            )
            words.append(
                HeardWord(
                    text=text.replace("\x00", ""),
                    start_ms=(chunk.start + start) * 1000 // RATE,
                    end_ms=(chunk.start + end) * 1000 // RATE,
                    confidence=float(np.exp([reading.logprobs[at] for at in parts]).mean()),
                )
            )
        return [word for word in words if word.text.strip()]


def _within_speech(start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The part of a word in the utterance that it overlaps most: pauses are taken for sound."""
    begins, ends = max(spans, key=lambda span: min(end, span[1]) - max(start, span[0]))
    return min(max(start, begins), ends), max(min(end, ends), begins)
