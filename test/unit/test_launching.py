from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from pi0_ros.bringup import Options
from pi0_ros.embodiment.files import known_embodiments, share_directory
from pi0_ros.launching import options_of


def texts(**changes: str) -> dict[str, str]:
    """What launch hands over: every argument as a text, and more besides."""
    defaults = {name: str(value) for name, value in asdict(Options()).items()}
    return {**defaults, "embodiment": "franka", **changes}


def test_launch_arguments_at_their_defaults_are_the_plans_defaults() -> None:
    assert options_of(texts()) == Options()


@pytest.mark.parametrize("name", [f.name for f in fields(Options) if isinstance(f.default, bool)])
@pytest.mark.parametrize("text", ["true", "True", "false", "False"])
def test_truths_are_read_as_launch_users_and_launch_files_write_them(name: str, text: str) -> None:
    assert getattr(options_of(texts(**{name: text})), name) is (text.lower() == "true")


@pytest.mark.parametrize("text", ["yes", "12", "", "true"])
def test_texts_stay_texts(text: str) -> None:
    assert options_of(texts(prompt=text)).prompt == text


def test_every_robot_has_a_launch_file_and_every_launch_file_a_robot() -> None:
    files = {path.name for path in (share_directory() / "launch").glob("*.launch.py")}
    assert files == {f"{name}.launch.py" for name in (*known_embodiments(), "bringup")}


@pytest.mark.parametrize("name", known_embodiments())
def test_a_launch_file_names_its_own_robot(name: str) -> None:
    text = (share_directory() / "launch" / f"{name}.launch.py").read_text()
    assert f'launch_description("{name}")' in text
