from __future__ import annotations

from pathlib import Path

import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.policy.making import make_policy
from pi0_ros.policy.settings import PolicySettings


def refusal(settings: PolicySettings, embodiment: Embodiment) -> str:
    with pytest.raises(ValueError, match=r"policy|device|dtype") as caught:
        make_policy(settings, embodiment)
    return str(caught.value)


def test_scripted_and_pi0_are_made_by_name(embodiment: Embodiment, checkpoint: Path) -> None:
    assert make_policy(PolicySettings("scripted"), embodiment).name == "scripted"
    pi0 = PolicySettings("pi0", checkpoint=str(checkpoint), device="cpu")
    assert make_policy(pi0, embodiment).name == "pi0"


def test_an_unknown_policy_is_refused_with_the_one_that_was_meant(embodiment: Embodiment) -> None:
    said = refusal(PolicySettings("scriptet"), embodiment)
    assert said == "policy 'scriptet' is unknown; known: pi0, scripted. Did you mean 'scripted'?"


def test_pi0_without_a_checkpoint_is_told_how_to_get_one(embodiment: Embodiment) -> None:
    said = refusal(PolicySettings("pi0"), embodiment)
    assert "policy 'pi0' needs a checkpoint: a directory, or owner/name on the Hug" in said
    assert "pi0 random-checkpoint DIR" in said


def test_scripted_with_a_checkpoint_is_refused(embodiment: Embodiment) -> None:
    said = refusal(PolicySettings("scripted", checkpoint="/some/folder"), embodiment)
    assert "'scripted' has no weights, but checkpoint is '/some/folder'; leave it out" in said


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"device": "cpuu"},
            "device 'cpuu' is unknown; known: auto, cpu, cuda, cuda:N. Did you mean 'cpu'?",
        ),
        ({"dtype": "float16"}, "dtype 'float16' is unknown; known: auto, bfloat16, float32."),
    ],
)
def test_an_unknown_device_or_dtype_is_refused(
    embodiment: Embodiment, checkpoint: Path, wrong: dict[str, str], says: str
) -> None:
    assert says in refusal(PolicySettings("pi0", str(checkpoint), **wrong), embodiment)


def test_a_gpu_that_is_not_there_is_refused(
    embodiment: Embodiment, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = refusal(PolicySettings("pi0", str(checkpoint), device="cuda"), embodiment)
    assert "torch sees no GPU; use auto or cpu" in said
