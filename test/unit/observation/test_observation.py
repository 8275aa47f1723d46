from __future__ import annotations

from pi0_ros.observation.observation import Lack, NotReady


def test_a_lack_reads_as_its_sentence() -> None:
    assert f"{Lack('base_camera', 'old', 'base_camera: image 0.41 s old')}".endswith("0.41 s old")


def test_a_policys_own_reason_is_news_with_each_wording() -> None:
    red, blue = (NotReady.because(f"no {color} block is visible") for color in ("red", "blue"))
    assert red.sentences == ("no red block is visible",)
    assert red.reasons[0].identity != blue.reasons[0].identity


def test_with_a_kind_only_the_kind_is_news() -> None:
    first, second = (NotReady.because(f"{free} MB are free", "out_of_memory") for free in (3, 4))
    assert first.reasons[0].identity == second.reasons[0].identity == ("policy", "out_of_memory")
