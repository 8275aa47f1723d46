from __future__ import annotations

import pytest

from pi0_ros.embodiment.urdf import Urdf

LINKS = '<link name="a"/><link name="b"/>'
JOINT = '<joint name="j" type="fixed"><parent link="a"/><child link="b"/></joint>'


def test_the_root_is_the_link_that_hangs_on_no_joint() -> None:
    assert Urdf.parse(f"<robot>{LINKS}{JOINT}</robot>").root == "a"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"<robot>{LINKS}</robot>", r"the URDF has 2 root links \(a, b\); join all links to one"),
        ("<robot/>", r"the URDF has 0 root links \(none\)"),
    ],
)
def test_a_urdf_without_one_root_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _ = Urdf.parse(text).root
