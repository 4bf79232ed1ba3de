"""Tiny tokenizers, saved and loaded as the large ones are; for tests with PyTorch only."""

from typing import Any

CHAT = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
WORDS = ["a", "sailing", "boat", "on", "the", "sea", "at", "sunset", "still", "picture"]


def tokenizer(**options: Any) -> Any:
    """Words of a few prompts; every other word is the same unknown one."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["<pad>", "<unk>", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        unk_token="<unk>",
        chat_template=CHAT,
        **options,
    )


VOCABULARY = len(WORDS) + 2
