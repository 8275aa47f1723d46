from __future__ import annotations

from pi0_ros.embodiment.errors import unknown_name


def test_an_unknown_name_is_told_with_the_known_ones_and_the_closest() -> None:
    said = unknown_name("camera", "wirst", ["wrist", "base"])
    assert said == "camera 'wirst' is unknown; known: base, wrist. Did you mean 'wrist'?"


def test_nothing_is_guessed_where_no_name_is_close() -> None:
    assert unknown_name("camera", "x", ["base"]) == "camera 'x' is unknown; known: base."


def test_it_says_so_where_there_is_no_name_at_all() -> None:
    assert unknown_name("arm", "left", []) == "arm 'left' is unknown; known: none."
