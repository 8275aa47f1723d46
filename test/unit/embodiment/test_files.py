from __future__ import annotations

from pathlib import Path

import pytest

from pi0_ros.embodiment.files import (
    EmbodimentError,
    find_convention,
    find_embodiment,
    find_urdf,
    known_conventions,
    known_embodiments,
    share_directory,
)


def test_the_share_folder_holds_what_the_launch_files_need() -> None:
    assert {"config", "urdf", "launch"} <= {path.name for path in share_directory().iterdir()}


def test_a_robot_of_the_package_is_found_by_its_name() -> None:
    assert "ur5e_bimanual" in known_embodiments()
    found = find_embodiment("ur5e_bimanual")
    assert found == share_directory() / "config" / "embodiments" / "ur5e_bimanual.yaml"
    assert found.is_file()


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml"])
def test_a_robot_of_ones_own_is_found_by_its_path(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_embodiment(str(tmp_path / name)) == tmp_path / name


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "mine.urdf").touch()
    assert find_embodiment("~/mine.yaml") == tmp_path / "mine.yaml"
    assert find_urdf("~/mine.urdf") == tmp_path / "mine.urdf"


def test_an_unknown_robot_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(EmbodimentError) as caught:
        find_embodiment("ur5e_bimanuel")
    said = str(caught.value)
    assert "embodiment 'ur5e_bimanuel' is unknown; known: " in said
    assert "Did you mean 'ur5e_bimanual'?" in said


def test_a_missing_yaml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    with pytest.raises(EmbodimentError, match=f"embodiment file '{file}' does not exist"):
        find_embodiment(str(file))


def test_a_convention_is_found_by_its_name_or_its_path(tmp_path: Path) -> None:
    assert {"aloha", "droid", "libero", "ur5_dual"} <= set(known_conventions())
    assert find_convention("aloha") == share_directory() / "config" / "conventions" / "aloha.yaml"
    (tmp_path / "mine.yaml").touch()
    assert find_convention(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"


def test_an_unknown_convention_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError, match=r"convention 'alhoa' is unknown; .*'aloha'\?"):
        find_convention("alhoa")
    with pytest.raises(EmbodimentError, match=r"convention file '.*none\.yaml' does not exist"):
        find_convention(str(tmp_path / "none.yaml"))


def test_a_urdf_is_found_in_the_package_or_by_its_path(tmp_path: Path) -> None:
    own = tmp_path / "mine.urdf"
    own.touch()
    assert find_urdf(str(own)) == own
    packaged = share_directory() / "urdf" / "ur5e_bimanual.urdf.xacro"
    assert find_urdf("ur5e_bimanual.urdf.xacro") == packaged


def test_a_missing_urdf_is_told_with_the_path_where_it_was_looked_for() -> None:
    expected = share_directory() / "urdf" / "none.xacro"
    with pytest.raises(EmbodimentError, match=f"urdf 'none.xacro': no file {expected}"):
        find_urdf("none.xacro")
