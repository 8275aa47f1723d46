from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pi0_ros.cli.check.description import check_description
from pi0_ros.cli.check.finding import Finding, Level, is_fit
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.urdf import Urdf


@pytest.fixture
def described(urdf_text: str, changed: Callable[..., Embodiment]) -> Callable[..., Any]:
    """Check the cart with a change to its URDF and changes to its YAML."""

    def check(urdf_change: tuple[str, str] = ("", ""), **changes: Any) -> tuple[Finding, ...]:
        return check_description(changed(**changes), Urdf.parse(urdf_text.replace(*urdf_change)))

    return check


def test_a_description_that_fits_is_a_line_per_kind_and_passive_joints_are_named(
    described: Callable[..., Any],
) -> None:
    found = described()
    assert {one.topic: one.level for one in found} == {
        "joints": Level.OK, "limits": Level.OK, "arms": Level.OK, "frames": Level.OK,
        "passive joints": Level.NOTE,
    }  # fmt: skip
    assert found[-1].said == "roll move and nobody commands them"


@pytest.mark.parametrize("robot", known_embodiments())
def test_every_robot_of_this_package_fits_its_urdf(robot: str) -> None:
    embodiment = load_embodiment(robot)
    found = check_description(embodiment, Urdf.parse(load_urdf(embodiment)))
    assert {one.level for one in found} <= {Level.OK, Level.NOTE}, found


@pytest.mark.parametrize("robot", known_embodiments())
def test_every_robot_fits_with_a_prefix(robot: str) -> None:
    embodiment = load_embodiment(robot, tf_prefix="cell_")
    assert is_fit(check_description(embodiment, Urdf.parse(load_urdf(embodiment))))


@pytest.mark.parametrize(
    ("urdf_change", "changes", "topic", "says"),
    [
        (('name="grip"', 'name="grab"'), {}, "joint grip",
         "joint 'grip' is unknown; known: grab, roll, slide"),
        (('type="prismatic"', 'type="revolute"'), {}, "joint slide",
         "its unit is m in the YAML, and it is revolute in the URDF"),
        (('upper="2"', 'upper="1.9"'), {}, "joint slide", "upper is 2 m; the URDF allows 0 to 1.9"),
        (("", ""), {"joints__0__lower": -0.1}, "joint slide", "lower is -0.1 m; the URDF allows 0"),
        (("", ""), {"joints__0__velocity": 1.1}, "joint slide",
         "velocity is 1.1; the URDF allows 1 m/s"),
        (('<child link="finger"/>', '<child link="finger"/><mimic joint="slide"/>'), {},
         "joint grip", "it follows slide in the URDF and cannot be commanded"),
        (("", ""), {"arms__only__tool_link": "tol"}, "arm only", "Did you mean 'tool'?"),
        (("", ""), {"arms__only__joints": ["slide", "grip"]}, "arm only",
         "grip do not move tool, which hangs on slide, to_tool"),
        (("", ""), {"cameras__0__frame": "eye_optic"}, "camera eye", "Did you mean 'eye_optical'?"),
        (("", ""), {"base__frame": "carriage"}, "base", "root 'carriage' is unknown; known: cart"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_urdf_is_named_with_both_values(
    urdf_change: tuple[str, str],
    changes: dict[str, Any],
    topic: str,
    says: str,
    described: Callable[..., Any],
    the_fault: Callable[..., Finding],
) -> None:
    fault = the_fault(described(urdf_change, **changes))
    assert fault.topic == topic
    assert says in fault.said
    assert fault.remedy


def test_a_home_pose_beyond_the_urdf_is_found_with_the_limit(
    described: Callable[..., Any],
) -> None:
    found = described(('upper="2"', 'upper="0.9"'))
    assert [one.said for one in found if one.level == Level.WRONG] == [
        "upper is 2 m; the URDF allows 0 to 0.9 m",
        "home is 1 m; the URDF allows 0 to 0.9 m",
    ]


def test_a_tighter_limit_and_an_endless_joint_fit(described: Callable[..., Any]) -> None:
    endless = ('name="grip" type="revolute"', 'name="grip" type="continuous"')
    assert is_fit(described(endless, joints__0__upper=1.5, joints__0__velocity=0.5))


def test_the_body_of_a_camera_in_place_of_its_optical_frame_is_a_warning(
    described: Callable[..., Any], the_fault: Callable[..., Finding]
) -> None:
    fault = the_fault(described(cameras__0__frame="eye"), Level.WARNING)
    assert fault.said == "frame eye looks along x; eye_optical on it looks along z"
    assert fault.remedy.endswith("frame: eye_optical")


@pytest.mark.parametrize("text", ["<robot>", '<robot><joint name="a"/></robot>',
                                  '<robot><joint name="a" type="fixed"/></robot>'])  # fmt: skip
def test_what_is_no_urdf_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is no URDF"):
        Urdf.parse(text)
