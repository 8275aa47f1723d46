from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pi0_ros.policy.checkpoints.checkpoint import describe
from pi0_ros.policy.checkpoints.description import Description
from pi0_ros.policy.checkpoints.tokenizer_file import count_pieces, find_tokenizer


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """openpi's cache, empty."""
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def told(copied: Path, cache: Path) -> Description:
    return describe(copied)


def refuse(repository: str, name: str) -> Path:
    raise FileNotFoundError(f"no network for {repository} {name}")


def test_the_file_that_was_given_goes_first(told: Description, tmp_path: Path) -> None:
    given = shutil.copy(told.directory / "tokenizer.model", tmp_path / "given.model")
    assert find_tokenizer(told, str(given)) == tmp_path / "given.model"
    assert find_tokenizer(told) == told.directory / "tokenizer.model"


def test_a_given_file_that_is_not_there_is_an_error_and_nothing_else_is_taken(
    told: Description,
) -> None:
    with pytest.raises(FileNotFoundError, match="tokenizer 'none' does not exist; check the path"):
        find_tokenizer(told, "none")


def test_paligemmas_name_beside_the_weights_will_do(told: Description) -> None:
    (told.directory / "tokenizer.model").rename(told.directory / "paligemma_tokenizer.model")
    assert find_tokenizer(told) == told.directory / "paligemma_tokenizer.model"


def test_openpis_cache_is_looked_into(told: Description, cache: Path) -> None:
    (cache / "big_vision").mkdir(parents=True)
    cached = cache / "big_vision" / "paligemma_tokenizer.model"
    (told.directory / "tokenizer.model").rename(cached)
    assert find_tokenizer(told) == cached


def test_the_hub_is_asked_last_for_the_repository_that_the_checkpoint_names(
    told: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = replace(told, tokenizer_id="google/paligemma-3b-pt-224")
    module = "pi0_ros.policy.checkpoints.tokenizer_file.find_hub_file"
    monkeypatch.setattr(module, refuse)
    assert find_tokenizer(named) == told.directory / "tokenizer.model"
    (told.directory / "tokenizer.model").unlink()
    monkeypatch.setattr(module, lambda repository, name: Path(repository) / name)
    assert find_tokenizer(named) == Path("google/paligemma-3b-pt-224/tokenizer.model")


def test_without_any_the_places_and_the_remedy_are_told(
    told: Description, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told.directory / "tokenizer.model").unlink()
    monkeypatch.setattr("pi0_ros.policy.checkpoints.tokenizer_file.find_hub_file", refuse)
    with pytest.raises(FileNotFoundError) as caught:
        find_tokenizer(replace(told, tokenizer_id="some/where"))
    said = str(caught.value)
    for place in (
        told.directory / "tokenizer.model",
        cache / "big_vision" / "paligemma_tokenizer.model",
        "some/where on the Hugging Face Hub (no network for some/where tokenizer.model)",
    ):
        assert str(place) in said
    assert f"Copy gs://big_vision/paligemma_tokenizer.model to {told.directory}" in said


def test_pieces_are_counted_where_they_are_the_models(
    told: Description, openpi: Callable[..., Path]
) -> None:
    file = told.directory / "tokenizer.model"
    assert count_pieces(file, told.config) == told.config.vocab
    with pytest.raises(ValueError, match=r"has \d+ tokens .*; the model needs 400 tokens"):
        count_pieces(file, describe(openpi()).config)
