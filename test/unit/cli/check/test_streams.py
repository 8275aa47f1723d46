from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pi0_ros.cli.check.finding import Finding, Level, ok
from pi0_ros.cli.check.observed import Endpoint, Graph, Picture, Stream
from pi0_ros.cli.check.streams import check_cameras, check_odometry, check_states
from pi0_ros.embodiment.spec import Embodiment

JOINT_STATE, IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"
START = "start its driver"
WELL = {"slide": 1.0, "grip": 0.0}

Changed = Callable[..., Embodiment]
WithTopic = Callable[..., Graph]


@pytest.fixture
def states(changed: Changed, with_topic: WithTopic, types: dict[str, str]) -> Callable[..., Any]:
    """Check the cart's joint_states with one change to what is seen of them."""
    return lambda **seen: check_states(changed(), with_topic("joint_states", **seen), types, START)


@pytest.fixture
def cameras(changed: Changed, with_topic: WithTopic) -> Callable[..., Any]:
    """Check the cart's camera with one change to what is seen of it."""
    return lambda **change: check_cameras(changed(), with_topic("eye/image_raw", **change), START)


def test_all_is_well(states: Callable[..., Any], cameras: Callable[..., Any]) -> None:
    assert states() == (ok("/joint_states", "2 joints within their limits, 100 Hz, 5 ms old"),)
    assert cameras() == (ok("/eye/image_raw", "64x48, 30 Hz, 20 ms old, raw"),)


@pytest.mark.parametrize(
    ("change", "says", "mend"),
    [
        ({"publishers": ()}, "nobody publishes it", START),
        ({"publishers": (Endpoint("/driver", "std_msgs/msg/Bool"),)},
         "/driver publishes std_msgs/msg/Bool; it must be sensor_msgs/msg/JointState", "the YAML"),
        ({"publishers": (Endpoint("/driver", JOINT_STATE, "ERROR: deadline;"),)},
         "QoS of /driver does not fit: ERROR: deadline;", "change the QoS"),
        ({"count": 0}, "/driver publishes it, and nothing comes", "ROS_DOMAIN_ID"),
        ({"rate_hz": 17.0}, "17.0 Hz; at least 20 Hz are needed", "raise the driver's publish"),
        ({"age_ns": 201_000_000}, "stamps are 201 ms old; at most 200 ms are used", "synchronise"),
        ({"age_ns": -101_000_000}, "stamps are 101 ms in the future; 100 ms are allowed", "chrony"),
        ({"numbers": {"joint1": 1.0, "grip": 0.0}}, "lacks slide; it has joint1, grip", "`names`"),
        ({"numbers": {}}, "lacks slide, grip; it has no positions", "`names`"),
        ({"numbers": {**WELL, "slide": float("nan")}}, "slide is nan, which is no pos", "powered"),
        ({"numbers": {**WELL, "slide": 2.021}}, "slide is at 2.021 m (told as 2.021); limits are 0",
         "check unit and zero"),
        ({"numbers": {**WELL, "slide": -0.021}}, "slide is at -0.021 m", "by hand"),
        ({"numbers": {**WELL, "grip": 0.841}}, "grip is at 0.841 rad (told as 0.841); open to "
         "closed is 0 to 0.8", "correct gripper (open, closed)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_joint_states_is_told_with_how_to_mend_it(
    change: dict[str, Any],
    says: str,
    mend: str,
    states: Callable[..., Any],
    the_fault: Callable[..., Finding],
) -> None:
    fault = the_fault(states(**change))
    assert fault.topic == "/joint_states"
    assert says in fault.said
    assert mend in fault.remedy


@pytest.mark.parametrize("numbers", [{"slide": 2.019}, {"slide": -0.019}, {"grip": 0.839}])
def test_a_resting_joint_may_be_a_little_beyond_its_limit(
    numbers: dict[str, float], states: Callable[..., Any]
) -> None:
    assert [one.level for one in states(numbers={**WELL, **numbers})] == [Level.OK]


def test_a_slow_policy_still_needs_states_that_are_fresh(
    changed: Changed, with_topic: WithTopic, types: dict[str, str]
) -> None:
    """The policy interpolates across 100 ms at most: 10 Hz, whatever its own rate."""
    slow = changed(policy__rate_hz=1)
    seen = with_topic("joint_states", rate_hz=4.0)
    (fault,) = check_states(slow, seen, types, START)
    assert fault.said == "4.0 Hz; at least 10 Hz are needed"


def test_only_the_first_source_must_be_as_fast_as_the_policy(
    changed: Changed, with_topic: WithTopic, the_fault: Callable[..., Finding]
) -> None:
    """A gripper that is told 15 times a second is fresh enough beside a fast arm."""
    arm, hand = ({"topic": t, "joints": [j]} for t, j in (("arm", "slide"), ("hand", "grip")))
    types = {"arm": JOINT_STATE, "hand": JOINT_STATE}

    def judged(first: Any, second: Any, hand_hz: float) -> tuple[Finding, ...]:
        seen = with_topic("joint_states")
        told = seen.topics["joint_states"]
        slow = replace(told, stream=replace(told.stream, rate_hz=hand_hz))
        graph = replace(seen, topics={**seen.topics, "arm": told, "hand": slow})
        return check_states(changed(states=[first, second]), graph, types, START)

    assert [one.level for one in judged(arm, hand, 15.0)] == [Level.OK, Level.OK]
    assert the_fault(judged(hand, arm, 15.0)).said == "15.0 Hz; at least 20 Hz are needed"
    assert the_fault(judged(arm, hand, 4.0)).said == "4.0 Hz; at least 10 Hz are needed"


def test_two_publishers_of_one_topic_are_a_warning(
    states: Callable[..., Any], the_fault: Callable[..., Finding]
) -> None:
    two = (Endpoint("/driver", JOINT_STATE), Endpoint("/gripper", JOINT_STATE))
    fault = the_fault(states(publishers=two), Level.WARNING)
    assert fault.said == "/driver, /gripper publish it, and each message counts as the whole"


def test_a_drivers_names_and_gripper_numbers_are_those_of_the_yaml(
    changed: Changed,
    with_topic: WithTopic,
    types: dict[str, str],
    the_fault: Callable[..., Finding],
) -> None:
    """The driver says 100 for open, 0 for closed; the joint is at 0.8 rad when closed."""
    source = {"topic": "joint_states", "joints": ["slide", "grip"], "names": ["j1", "width"],
              "gripper": {"open": 100, "closed": 0}}  # fmt: skip
    robot = changed(states=[source])
    well = with_topic("joint_states", numbers={"j1": 1.0, "width": 100.0})
    assert [one.level for one in check_states(robot, well, types, START)] == [Level.OK]
    in_metres = with_topic("joint_states", numbers={"j1": 1.0, "width": 108.0})
    fault = the_fault(check_states(robot, in_metres, types, START))
    assert "grip is at -0.064 rad (told as 108)" in fault.said


def test_states_whose_messages_are_not_installed_are_not_judged_again(
    changed: Changed, seen: Graph
) -> None:
    assert check_states(changed(), seen, {}, START) == ()


# --- cameras and odometry ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "level", "says", "mend"),
    [
        ({"publishers": ()}, Level.WRONG, "nobody publishes it", START),
        ({"rate_hz": 26.0}, Level.WARNING, "26.0 Hz; the YAML says 30 Hz", "rate_hz in the YAML"),
        ({"rate_hz": 3.0}, Level.WRONG, "3.0 Hz; the YAML says 30 Hz, and below 3.3 Hz images are "
         "too old for the policy", "load"),
        ({"age_ns": 301_000_000}, Level.WRONG, "stamps are 301 ms old; at most 300 ms", "chrony"),
        ({"picture": Picture(0, 0, "eye_optical", "encoding '16UC1' is not supported")},
         Level.WRONG, "encoding '16UC1' is not supported", "choose its color topic"),
        ({"picture": Picture(640, 48, "eye_optical")}, Level.WARNING,
         "640x48; the YAML says 64x48", "width and height in the YAML"),
        ({"picture": Picture(64, 48, "eye")}, Level.WARNING,
         "frame_id is 'eye'; the YAML says 'eye_optical'", "frame in the YAML and the URDF"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_camera_is_told_with_how_to_mend_it(
    change: dict[str, Any],
    level: Level,
    says: str,
    mend: str,
    cameras: Callable[..., Any],
    the_fault: Callable[..., Finding],
) -> None:
    fault = the_fault(cameras(**change), level)
    assert fault.topic == "/eye/image_raw"
    assert says in fault.said
    assert mend in fault.remedy


def test_a_camera_without_stamps_is_told(cameras: Callable[..., Any]) -> None:
    assert cameras(age_ns=None)[0].said == "64x48, 30 Hz, no stamps, raw"


def test_compressed_images_do_where_no_raw_ones_are(
    changed: Changed, with_topic: WithTopic, seen: Graph
) -> None:
    raw = seen.topics["eye/image_raw"]
    other = with_topic(
        "eye/image_raw/compressed",
        publishers=(Endpoint("/driver", "sensor_msgs/msg/CompressedImage"),),
        **{key: getattr(raw.stream, key) for key in ("count", "rate_hz", "age_ns", "picture")},
    )
    topics = {**other.topics, "eye/image_raw": type(raw)(raw.name)}
    (found,) = check_cameras(changed(), Graph(topics), START)
    assert found.level == Level.OK
    assert found.topic == "/eye/image_raw/compressed"
    assert found.said.endswith("compressed, give the policy image_transport:=compressed")


def test_missing_odometry_is_a_warning_only(changed: Changed, with_topic: WithTopic) -> None:
    robot = changed()
    assert check_odometry(robot, with_topic("odom"), START) == (ok("/odom", "50 Hz, 5 ms old"),)
    (found,) = check_odometry(robot, with_topic("odom", publishers=()), START)
    assert (found.level, found.said) == (Level.WARNING, "nobody publishes it")
    silent = with_topic("odom", stream=Stream())
    assert check_odometry(robot, silent, START)[0].said.endswith("nothing comes")


def test_a_robot_that_stands_has_no_odometry(embodiment: Embodiment, seen: Graph) -> None:
    assert check_odometry(embodiment, seen, START) == ()
