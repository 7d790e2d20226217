"""The miniature's small text side: a tokenizer learned from the caption grammar and a CLIP-shaped transformer.

The tokenizer is byte-level, so that any word can be written; words of the grammar are single tokens.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

START, END = "<|start|>", "<|end|>"


def train_tokenizer(sentences: Iterable[str], *, vocabulary: int, max_tokens: int) -> PreTrainedTokenizerFast:
    """A byte-level pair encoding with at most ``vocabulary`` entries; sentences are cut and padded to
    ``max_tokens``."""
    core = Tokenizer(models.BPE(unk_token=None))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(sentences, trainer)
    core.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(START, core.token_to_id(START)), (END, core.token_to_id(END))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=START, eos_token=END, pad_token=END, model_max_length=max_tokens
    )


def token_ids(tokenizer: PreTrainedTokenizerFast, sentences: Sequence[str]) -> Tensor:
    """Ids of sentences, cut and padded to the tokenizer's length: int64 ``(sentences, max_tokens)``."""
    length = tokenizer.model_max_length
    ids: Any = tokenizer(list(sentences), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return ids.input_ids


def build_text_encoder(tokenizer: PreTrainedTokenizerFast, *, width: int, depth: int) -> CLIPTextModel:
    """A fresh CLIP text transformer for ``tokenizer``: last hidden state ``(batch, max_tokens, width)``."""
    vocabulary = tokenizer.get_vocab()
    start, end = vocabulary[START], vocabulary[END]
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=depth,
            num_attention_heads=max(width // 64, 1),
            max_position_embeddings=tokenizer.model_max_length,
            projection_dim=width,
            bos_token_id=start,
            eos_token_id=end,
            pad_token_id=end,
        )
    )
