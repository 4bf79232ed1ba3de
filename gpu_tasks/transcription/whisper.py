"""Recognise the words of chunks of sound with Whisper, with their times and confidence.

Text and timing are two passes over one encoding, as in Whisper's own word timing (Radford et al.
2022; `openai/whisper`): text is generated without time tokens, then read back in one pass, whose
cross-attention shows when each token is heard and whose logits show how likely it was.
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
from gpu_tasks.mediakit.speech.utterances import RecognisedWord
from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.generation import build_stopping_criteria
from gpu_tasks.transcription import alignment
from gpu_tasks.transcription.chunks import Chunk
from gpu_tasks.transcription.contract import CONTRACT

SAMPLES_PER_POSITION = 320
"""The encoder outputs one position for 20 ms of sound."""
MAX_TOKENS = 224
"""Half of the decoder's positions, as in Whisper itself; half a minute of speech has fewer."""
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried in this order until a text is not doubtful (this and the following: Whisper's defaults)."""
MAX_COMPRESSION = 2.4
"""Text that compresses better than this repeats itself."""
MIN_LOGPROB = -1.0
"""Text with a lower average log probability per token is guessed."""
MAX_NO_SPEECH = 0.6
"""A guess with a higher probability of no speech is dropped."""
SEED = 0


@dataclass(frozen=True)
class Reading:
    """The tokens of a chunk, where each is heard (and one more: the end), and their likelihoods."""

    tokens: list[int]
    attention: alignment.Matrix
    """By token and encoder position: high where the token is heard."""
    logprobs: list[float]
    no_speech: float
    text: str

    @property
    def is_guessed(self) -> bool:
        """Return True if the model was unsure on average; the end of the text counts as a token."""
        return float(np.mean(self.logprobs)) < MIN_LOGPROB

    @property
    def is_silent(self) -> bool:
        """Return True if nobody speaks and the text is most likely invented."""
        return not self.tokens or (self.is_guessed and self.no_speech > MAX_NO_SPEECH)

    @property
    def is_doubtful(self) -> bool:
        """Return True if another try may do better."""
        raw = self.text.encode()
        repeats = len(raw) / len(zlib.compress(raw)) > MAX_COMPRESSION if raw else False
        return not self.is_silent and (repeats or self.is_guessed)


class Whisper:
    """The Whisper model; it processes one batch at a time."""

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
    ) -> list[RecognisedWord]:
        """Return the words in the chunks, at their times in the media.

        ``tick`` is called at each step and may raise to stop. The same chunks give the same words.
        """
        devices = [self._device] if self._device.startswith("cuda") else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(SEED)
            readings = self._read_chunks(chunks, language, tick)
        return [
            word
            for chunk, reading in zip(chunks, readings, strict=True)
            if not reading.is_silent
            for word in self._time_words(chunk, reading, language)
        ]

    def _read_chunks(
        self, chunks: Sequence[Chunk], language: str, tick: Callable[[], None]
    ) -> list[Reading]:
        """Return the first reading of each chunk that is not doubtful, or else the last."""
        encoder_states = self._encode_chunks(chunks)
        readings: dict[int, Reading] = {}
        for temperature in TEMPERATURES:
            pending = [
                index
                for index in range(len(chunks))
                if index not in readings or readings[index].is_doubtful
            ]
            if not pending:
                break
            tokens = self._generate_tokens(encoder_states[pending], language, temperature, tick)
            for index, row in zip(pending, tokens, strict=True):
                tick()
                positions = -(-chunks[index].samples.size // SAMPLES_PER_POSITION)
                readings[index] = self._read_back(
                    encoder_states[index : index + 1], language, row, positions
                )
        return [readings[index] for index in range(len(chunks))]

    def _encode_chunks(self, chunks: Sequence[Chunk]) -> Any:
        features = self._processor.feature_extractor(
            [chunk.samples.astype(np.float32) / 32768 for chunk in chunks],
            sampling_rate=RATE,
            return_tensors="pt",
        ).input_features
        return self._model.get_encoder()(features.to(self._device, self._dtype)).last_hidden_state

    def _generate_tokens(
        self, encoder_states: Any, language: str, temperature: float, tick: Callable[[], None]
    ) -> list[list[int]]:
        """Return the tokens of each row's text, without special tokens."""
        rows = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoder_states),
            language=language,
            task="transcribe",
            return_timestamps=False,
            condition_on_prev_tokens=False,
            temperature=temperature,
            max_new_tokens=MAX_TOKENS,
            stopping_criteria=build_stopping_criteria(lambda _: tick()),
        )
        end = self._tokenizer.eos_token_id  # all tokens from it on are special
        return [[token for token in row if token < end] for row in rows.tolist()]

    def _read_back(
        self, encoder_states: Any, language: str, tokens: list[int], positions: int
    ) -> Reading:
        """Read a known text in one pass, for its times and likelihoods."""
        prompt = self._prompt_tokens(language)
        row = torch.tensor([[*prompt, *tokens]], device=self._device)
        # The other implementations return no attention weights.
        self._model.set_attn_implementation("eager")
        try:
            output = self._model(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoder_states),
                decoder_input_ids=row,
                output_attentions=True,
                use_cache=False,
            )
        finally:
            self._model.set_attn_implementation("sdpa")
        likelihoods = output.logits[0].float().log_softmax(dim=-1)
        targets = torch.tensor([*tokens, self._tokenizer.eos_token_id], device=self._device)
        logprobs = likelihoods[len(prompt) - 1 :].gather(1, targets[:, None])[:, 0]
        no_speech = likelihoods[0, self._token_id("<|notimestamps|>") - 1].exp()
        return Reading(
            tokens=tokens,
            attention=self._align_tokens(output.cross_attentions, len(prompt), positions),
            logprobs=logprobs.tolist(),
            no_speech=float(no_speech),
            text=self._tokenizer.decode(tokens),
        )

    def _align_tokens(
        self, attentions: Any, prompt_length: int, positions: int
    ) -> alignment.Matrix:
        """Return how much each token, and the end, attends to each position."""
        heads = self._model.generation_config.alignment_heads
        weights = torch.stack([attentions[layer][0, head] for layer, head in heads]).float()
        # A token's row shows where the next token is heard: the prompt's last row is the first.
        weights = weights[:, prompt_length - 1 :, :positions]
        spread = weights.std(dim=-2, keepdim=True, unbiased=False).clamp_min(1e-6)
        weights = (weights - weights.mean(dim=-2, keepdim=True)) / spread
        if weights.shape[-1] > self._model.config.median_filter_width:
            weights = _median_filter(weights, self._model.config.median_filter_width)
        result: alignment.Matrix = weights.mean(dim=0).cpu().double().numpy()
        return result

    def _prompt_tokens(self, language: str) -> list[int]:
        names = ("startoftranscript", language, "transcribe", "notimestamps")
        return [self._token_id(f"<|{name}|>") for name in names]

    def _token_id(self, name: str) -> int:
        return int(self._tokenizer.convert_tokens_to_ids(name))

    def _time_words(self, chunk: Chunk, reading: Reading, language: str) -> list[RecognisedWord]:
        """Return the words of a reading, at their times in the media."""
        texts, _, indices = _combine_tokens_into_words(
            self._tokenizer, reading.tokens, LANGUAGES.get(language, language)
        )
        begins = alignment.find_row_begins(-reading.attention) * SAMPLES_PER_POSITION
        words = []
        for text, parts in zip(texts, indices, strict=True):
            start, end = _clip_to_speech(
                int(begins[parts[0]]), int(begins[parts[-1] + 1]), chunk.spans
            )
            words.append(
                RecognisedWord(
                    text=text.replace("\x00", ""),
                    start_ms=(chunk.start + start) * 1000 // RATE,
                    end_ms=(chunk.start + end) * 1000 // RATE,
                    confidence=float(np.exp([reading.logprobs[index] for index in parts]).mean()),
                )
            )
        return [word for word in words if word.text.strip()]


def _clip_to_speech(start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Clip a word to the utterance that it overlaps most: Whisper's times include pauses."""
    begins, ends = max(spans, key=lambda span: min(end, span[1]) - max(start, span[0]))
    return min(max(start, begins), ends), max(min(end, ends), begins)
