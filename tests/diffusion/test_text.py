"""Any text becomes tokens of one length; what the grammar never had does no harm."""

from functools import cache

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from limner.diffusion.text import END, START, build_text_encoder, train_tokenizer

SENTENCES = ["a photo of a woman, smiling", "a photo of a man with glasses, looking left"]
MAX_TOKENS = 12


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(SENTENCES * 5, vocabulary=400, max_tokens=MAX_TOKENS)


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> torch.Tensor:
    return tokenizer(
        [text], padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids  # pyright: ignore[reportReturnType]


def test_words_of_the_grammar_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    for word in (" photo", " woman", " glasses", " smiling"):
        assert len(tokenizer.tokenize(word)) == 1


def test_a_sentence_stands_between_the_marks_and_is_padded(tokenizer: PreTrainedTokenizerFast) -> None:
    row = ids(tokenizer, "a photo")[0].tolist()
    start, end = (tokenizer.get_vocab()[mark] for mark in (START, END))
    assert row[0] == start
    assert row[-1] == end
    assert row.index(end) == 3
    assert set(row[3:]) == {end}


@pytest.mark.parametrize("text", ["", "\U0001f600\U0001f9d1‍\U0001f680", "Łódź 東京 ñandú", "\x00\n\t", "zyx " * 5000])
def test_anything_is_one_row_of_known_tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    row = ids(tokenizer, text)
    assert row.shape == (1, MAX_TOKENS)
    assert int(row.max()) < len(tokenizer)
    assert row[0, -1] == tokenizer.eos_token_id


@cache
def byte_level() -> PreTrainedTokenizerFast:
    return train_tokenizer(SENTENCES, vocabulary=400, max_tokens=MAX_TOKENS)


@given(text=st.text(max_size=40))
def test_nothing_is_lost_of_an_unknown_word(text: str) -> None:
    assume(START not in text and END not in text)
    tokens = byte_level()(text, add_special_tokens=False).input_ids
    written = byte_level().decode(tokens, clean_up_tokenization_spaces=False)
    assert isinstance(written, str)
    assert written.removeprefix(" ") == text.removeprefix(" ")


@torch.no_grad()
def test_the_encoder_reads_every_token_up_to_the_last(tokenizer: PreTrainedTokenizerFast) -> None:
    torch.manual_seed(0)
    encoder = build_text_encoder(tokenizer, width=128, depth=2).eval()
    assert encoder.config.num_attention_heads == 2
    states = encoder(ids(tokenizer, "a photo of a woman")).last_hidden_state
    other = encoder(ids(tokenizer, "a photo of a man")).last_hidden_state
    assert states.shape == (1, MAX_TOKENS, 128)
    torch.testing.assert_close(states[:, :5], other[:, :5])  # start, a, photo, of, a: later words are not seen yet
    assert not torch.allclose(states[:, 5:], other[:, 5:])
