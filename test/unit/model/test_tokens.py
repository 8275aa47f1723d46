from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.tokens import PromptTokenizer, state_numbers

DATA = Path(__file__).parents[3] / "config" / "golden" / "openpi" / "pipeline"
PIECES = DATA / "tiny_sentencepiece.model"
PROMPTS = json.loads((DATA / "pipeline.json").read_text())["prompts"]
GOLDEN = load_file(DATA / "pipeline.safetensors")
PI0, PI05 = (replace(config, vocab=400) for config in (Pi0Config.openpi(), Pi0Config.pi05()))


@pytest.mark.parametrize("i", range(len(PROMPTS)))
def test_pi0_prompts_are_encoded_as_by_openpi(i):
    prompt = PromptTokenizer(PIECES, PI0).encode(PROMPTS[i])
    assert torch.equal(prompt.tokens, GOLDEN[f"prompt.{i}.pi0.tokens"])
    assert torch.equal(prompt.mask, GOLDEN[f"prompt.{i}.pi0.mask"])


@pytest.mark.parametrize("i", range(len(PROMPTS)))
def test_pi05_prompts_carry_the_state_as_by_openpi(i):
    prompt = PromptTokenizer(PIECES, PI05).encode(PROMPTS[i], GOLDEN["prompt.state"])
    assert torch.equal(prompt.tokens, GOLDEN[f"prompt.{i}.pi05.tokens"])
    assert torch.equal(prompt.mask, GOLDEN[f"prompt.{i}.pi05.mask"])


def test_the_state_becomes_the_whole_numbers_of_openpi():
    assert state_numbers(GOLDEN["prompt.state"]) == GOLDEN["prompt.state_bins"].tolist()


def test_a_state_below_its_range_becomes_minus_one():
    assert state_numbers(torch.tensor([-1.1, -1.0, 0.0, 1.0, 9.0])) == [-1, 0, 128, 255, 255]


def test_a_prompt_begins_with_its_mark_and_ends_with_a_line_break():
    tokenizer = PromptTokenizer(PIECES, PI0)
    empty = tokenizer.encode("")
    one = tokenizer.encode("fold the towel")
    assert empty.tokens[empty.mask].tolist() == [2, 4]
    assert one.tokens[one.mask].tolist()[0] == 2
    assert one.tokens[one.mask].tolist()[-1] == 4


def test_underscores_and_line_breaks_are_spaces():
    tokenizer = PromptTokenizer(PIECES, PI0)
    plain = tokenizer.encode("fold the towel").tokens
    assert torch.equal(tokenizer.encode(" fold_the\ntowel\n").tokens, plain)


def test_a_prompt_may_be_taken_as_it_stands():
    prompt = PromptTokenizer(PIECES, PI0).encode("Pick_up", clean=False)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(PIECES))
    assert prompt.tokens[prompt.mask].tolist() == [2, *pieces.encode("Pick_up\n")]


def test_a_prompt_that_is_too_long_loses_its_end_with_a_warning(caplog):
    short = replace(PI0, prompt_length=4)
    with caplog.at_level(logging.WARNING):
        prompt = PromptTokenizer(PIECES, short).encode("fold the towel")
    assert prompt.tokens.tolist() == GOLDEN["prompt.0.pi0.tokens"][:4].tolist()
    assert prompt.mask.all()
    assert "5 tokens and the model reads 4" in caplog.text


def test_a_prompt_that_fits_gives_no_warning(caplog):
    PromptTokenizer(PIECES, replace(PI0, prompt_length=5)).encode("fold the towel")
    assert not caplog.records


def test_pi0_does_not_read_the_state_as_text():
    with pytest.raises(ValueError, match="variant 'pi0' takes it as a tensor"):
        PromptTokenizer(PIECES, PI0).encode("fold", torch.zeros(3))


def test_a_missing_file_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.model does not exist.*big_vision"):
        PromptTokenizer(tmp_path / "absent.model", PI0)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    file = tmp_path / "wrong.model"
    file.write_bytes(b"not pieces")
    with pytest.raises(ValueError, match="is not a sentencepiece model"):
        PromptTokenizer(file, PI0)


@pytest.mark.parametrize("vocab", [256, 399, 401, 257_152])
def test_a_file_with_another_number_of_pieces_than_the_model_has_tokens_is_refused(vocab):
    wanted = "256000 or 257152" if vocab == 257_152 else str(vocab)
    with pytest.raises(ValueError, match=rf"has 400 tokens .* the model needs {wanted} tokens"):
        PromptTokenizer(PIECES, replace(PI0, vocab=vocab))
