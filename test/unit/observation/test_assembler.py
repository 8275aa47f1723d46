from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.assembler import IMAGES_KEPT, ObservationAssembler
from pi0_ros.observation.freshness import Freshness
from pi0_ros.observation.observation import NotReady, Observation

MS = 1_000_000
PROMPT = "left arm reach the red block"
CAMERAS = ("base_camera", "left_wrist_camera", "right_wrist_camera")

Image = Callable[[int], np.ndarray]
Deliver = Callable[..., None]
Changed = Callable[..., Embodiment]


@pytest.fixture
def assembler(embodiment: Embodiment) -> ObservationAssembler:
    """Empty; images may be 300 ms old, states 200 ms, and cameras 50 ms apart."""
    return ObservationAssembler(embodiment, Freshness())


def ready(assembler: ObservationAssembler, now_ms: int) -> Observation:
    result = assembler.snapshot(now_ms * MS, PROMPT)
    assert isinstance(result, Observation), result
    return result


def reasons(assembler: ObservationAssembler, now_ms: int, prompt: str = PROMPT) -> list[str]:
    result = assembler.snapshot(now_ms * MS, prompt)
    assert isinstance(result, NotReady)
    return list(result.sentences)


def test_an_observation_holds_all_images_the_state_and_the_prompt(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1033)
    observation = ready(assembler, 1040)
    assert observation.stamp_ns == 1033 * MS
    assert observation.prompt == PROMPT
    assert set(observation.images) == set(CAMERAS)
    assert {int(image[0, 0, 0]) for image in observation.images.values()} == {1033 % 256}
    np.testing.assert_allclose(observation.state, np.full(14, 1.033))


def test_without_any_stream_every_stream_is_a_reason(assembler: ObservationAssembler) -> None:
    assert reasons(assembler, 0) == [
        "base_camera: no image yet",
        "left_wrist_camera: no image yet",
        "right_wrist_camera: no image yet",
        "joint_states: no position yet",
    ]


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_camera_that_never_sent_is_the_only_reason(
    assembler: ObservationAssembler, deliver: Deliver, camera: str
) -> None:
    deliver(assembler, 1000, without=camera)
    assert reasons(assembler, 1000) == [f"{camera}: no image yet"]


def test_joint_states_that_never_came_are_the_only_reason(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000, without="joint_states")
    assert reasons(assembler, 1000) == ["joint_states: no position yet"]


@pytest.mark.parametrize("camera", CAMERAS)
def test_an_image_is_used_until_its_age_and_not_longer(
    assembler: ObservationAssembler, deliver: Deliver, camera: str
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1040, without=camera)
    deliver(assembler, 1290, without=camera)
    assert ready(assembler, 1300).stamp_ns <= 1040 * MS
    assert reasons(assembler, 1310) == [f"{camera}: image 0.31 s old, limit 0.30"]


def test_joint_states_are_used_until_their_age_and_not_longer(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1150, without="joint_states")
    assert ready(assembler, 1200).stamp_ns == 1000 * MS
    assert reasons(assembler, 1210) == ["joint_states: position 0.21 s old, limit 0.20"]


@pytest.mark.parametrize(
    ("stream", "what"), [*((name, "image") for name in CAMERAS), ("joint_states", "position")]
)
def test_a_stream_that_is_stamped_in_the_future_is_a_reason(
    assembler: ObservationAssembler,
    deliver: Deliver,
    image: Image,
    stream: str,
    what: str,
) -> None:
    deliver(assembler, 1000, without=stream)
    if stream == "joint_states":
        assembler.add_positions(0, 5000 * MS, np.zeros(14))
    else:
        assembler.add_image(stream, 5000 * MS, image(0))
    assert reasons(assembler, 1000) == [
        f"{stream}: {what} 4.00 s ahead of now, limit 0.10; compare the clocks"
    ]


@pytest.mark.parametrize("camera", CAMERAS[1:])
def test_a_camera_too_far_from_the_reference_is_a_reason(
    assembler: ObservationAssembler, deliver: Deliver, image: Image, camera: str
) -> None:
    deliver(assembler, 1000, without=camera)
    assembler.add_image(camera, 949 * MS, image(0))
    assert reasons(assembler, 1000) == [f"{camera}: 0.051 s away from the reference, limit 0.050"]
    assembler.add_image(camera, 950 * MS, image(0))
    assert ready(assembler, 1000).stamp_ns == 1000 * MS


def test_positions_are_not_interpolated_across_a_gap(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1050, without="joint_states")
    assembler.add_positions(0, 1000 * MS, np.zeros(14))
    assembler.add_positions(0, 1101 * MS, np.full(14, 9.0))
    assert reasons(assembler, 1110) == [
        "joint_states: 0.101 s without a position around the reference image, limit 0.100"
    ]
    assembler.add_positions(0, 1100 * MS, np.full(14, 8.0))
    np.testing.assert_allclose(ready(assembler, 1110).state, np.full(14, 4.0))


def test_an_image_newer_than_the_newest_positions_waits_for_them(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1033, without="joint_states")
    assembler.add_positions(0, 1000 * MS, np.zeros(14))
    assert reasons(assembler, 1040) == ["joint_states: still 0.033 s behind the reference image"]
    assembler.add_positions(0, 1066 * MS, np.full(14, 2.0))
    np.testing.assert_allclose(ready(assembler, 1070).state, np.ones(14))


def test_while_the_newest_image_waits_an_older_one_between_positions_is_used(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1033)
    deliver(assembler, 1066, without="joint_states")
    assert ready(assembler, 1070).stamp_ns == 1033 * MS


def test_positions_that_begin_after_the_image_do_not_belong_to_it(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000, without="joint_states")
    assembler.add_positions(0, 1010 * MS, np.zeros(14))
    assert reasons(assembler, 1020) == ["joint_states: begins 0.010 s after the reference image"]


def test_it_falls_back_to_an_older_reference_image_with_partners(
    assembler: ObservationAssembler, deliver: Deliver, image: Image
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1033)
    assembler.add_image("base_camera", 1100 * MS, image(1))
    observation = ready(assembler, 1110)
    assert observation.stamp_ns == 1033 * MS
    assert observation.images["base_camera"][0, 0, 0] == 1033 % 256


def test_it_does_not_fall_back_to_a_reference_image_that_is_too_old(
    assembler: ObservationAssembler, deliver: Deliver, image: Image
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1150, without="base_camera")
    assembler.add_image("base_camera", 1300 * MS, image(1))
    assembler.add_positions(0, 1300 * MS, np.zeros(14))
    assert reasons(assembler, 1310) == [
        "left_wrist_camera: 0.150 s away from the reference, limit 0.050",
        "right_wrist_camera: 0.150 s away from the reference, limit 0.050",
    ]


def test_each_partner_is_the_one_nearest_to_the_reference(
    assembler: ObservationAssembler, deliver: Deliver, image: Image
) -> None:
    deliver(assembler, 1000)
    for stamp_ms, brightness in ((980, 98), (1010, 101), (1030, 103)):
        assembler.add_image("left_wrist_camera", stamp_ms * MS, image(brightness))
    assembler.add_image("base_camera", 1012 * MS, image(1))
    assembler.add_positions(0, 1012 * MS, np.zeros(14))
    assert ready(assembler, 1040).images["left_wrist_camera"][0, 0, 0] == 101


def test_the_state_is_interpolated_to_the_images_stamp(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1003, without="joint_states")
    assembler.add_positions(0, 1000 * MS, np.arange(14.0))
    assembler.add_positions(0, 1010 * MS, np.arange(14) + 10.0)
    np.testing.assert_allclose(ready(assembler, 1010).state, np.arange(14) + 3.0)


def test_a_late_joint_state_lands_at_its_place(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1005, without="joint_states")
    for stamp_ms in (1000, 1010, 1004):
        assembler.add_positions(0, stamp_ms * MS, np.full(14, float(stamp_ms)))
    np.testing.assert_allclose(ready(assembler, 1010).state, np.full(14, 1005.0))


def test_a_fault_of_the_joint_states_is_told_until_they_are_complete_again(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    assembler.report_fault(0, "joint_states lacks left_shoulder_pan_joint")
    assert reasons(assembler, 1010) == ["joint_states lacks left_shoulder_pan_joint"]
    deliver(assembler, 1020)
    assert ready(assembler, 1020).stamp_ns == 1020 * MS


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_position_that_is_not_finite_is_told_until_it_is(
    assembler: ObservationAssembler, deliver: Deliver, value: float
) -> None:
    deliver(assembler, 1000)
    state = np.zeros(14)
    state[2] = value
    assembler.add_positions(0, 1010 * MS, state)
    assert reasons(assembler, 1010) == [f"joint_states: left_elbow_joint is {value}, not finite"]
    deliver(assembler, 1020)
    np.testing.assert_allclose(ready(assembler, 1020).state, np.full(14, 1.02))


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_fault_of_a_camera_is_told_until_it_delivers_again(
    assembler: ObservationAssembler, deliver: Deliver, image: Image, camera: str
) -> None:
    deliver(assembler, 1000)
    assembler.report_fault(camera, f"{camera}: encoding '16UC1' is not supported")
    assert reasons(assembler, 1000) == [f"{camera}: encoding '16UC1' is not supported"]
    assembler.add_image(camera, 1000 * MS, image(1))
    assert ready(assembler, 1000).images[camera][0, 0, 0] == 1


def test_all_reasons_are_told_at_once(assembler: ObservationAssembler, deliver: Deliver) -> None:
    deliver(assembler, 1000, without="base_camera")
    assembler.report_fault("left_wrist_camera", "left_wrist_camera: broken")
    assert reasons(assembler, 2000, prompt="") == [
        "left_wrist_camera: broken",
        "base_camera: no image yet",
        "right_wrist_camera: image 1.00 s old, limit 0.30",
        "joint_states: position 1.00 s old, limit 0.20",
        "no prompt; call ~/set_prompt",
    ]


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_a_reason(
    assembler: ObservationAssembler, deliver: Deliver, prompt: str
) -> None:
    deliver(assembler, 1000)
    assert reasons(assembler, 1000, prompt) == ["no prompt; call ~/set_prompt"]


def test_of_two_reference_images_the_lack_of_the_one_that_lacks_less_is_told(
    assembler: ObservationAssembler, image: Image
) -> None:
    """The newer one lacks a partner and positions, the older one only the partner."""
    assembler.add_image("left_wrist_camera", 900 * MS, image(0))
    for at_ms in (1000, 1033):
        for camera in ("base_camera", "right_wrist_camera"):
            assembler.add_image(camera, at_ms * MS, image(0))
    assembler.add_positions(0, 1000 * MS, np.zeros(14))
    assert reasons(assembler, 1040) == [
        "left_wrist_camera: 0.100 s away from the reference, limit 0.050"
    ]


def test_the_stamps_of_the_images_are_in_the_order_of_the_cameras(
    assembler: ObservationAssembler, deliver: Deliver, image: Image
) -> None:
    deliver(assembler, 1000, without="left_wrist_camera")
    assembler.add_image("left_wrist_camera", 1012 * MS, image(0))
    assert ready(assembler, 1020).image_stamps_ns == (1000 * MS, 1012 * MS, 1000 * MS)


def test_an_image_that_comes_twice_or_late_does_no_harm(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    for at_ms in (1033, 1000, 1033, 967, 1000):
        deliver(assembler, at_ms)
    observation = ready(assembler, 1040)
    assert observation.stamp_ns == 1033 * MS
    np.testing.assert_allclose(observation.state, np.full(14, 1.033))


# --- clocks that jump ------------------------------------------------------------------------

HOUR_MS = 3_600_000


@pytest.mark.parametrize("stream", [*CAMERAS, "joint_states"])
@pytest.mark.parametrize(
    ("off_ms", "told"),
    [
        (-HOUR_MS, "3600.00 s old, limit"),
        (HOUR_MS, "3600.00 s ahead of now, limit 0.10; compare the clocks"),
    ],
)
def test_a_stream_whose_clock_jumped_is_named_and_comes_back_with_it(
    assembler: ObservationAssembler,
    embodiment: Embodiment,
    image: Image,
    stream: str,
    off_ms: int,
    told: str,
) -> None:
    def run(first_ms: int, last_ms: int, jumped_ms: int) -> None:
        for at_ms in range(first_ms, last_ms + 1, 20):
            for camera in CAMERAS:
                stamp_ms = at_ms + (jumped_ms if camera == stream else 0)
                assembler.add_image(camera, stamp_ms * MS, image(0))
            stamp_ms = at_ms + (jumped_ms if stream == "joint_states" else 0)
            assembler.add_positions(0, stamp_ms * MS, np.full(14, at_ms / 1000))

    run(HOUR_MS, HOUR_MS + 500, 0)
    run(HOUR_MS + 520, HOUR_MS + 1000, off_ms)
    (reason,) = reasons(assembler, HOUR_MS + 1000)
    assert reason.startswith(f"{stream}: ")
    assert told in reason
    run(HOUR_MS + 1020, HOUR_MS + 1040, 0)
    observation = ready(assembler, HOUR_MS + 1040)
    assert observation.stamp_ns == (HOUR_MS + 1040) * MS
    np.testing.assert_allclose(observation.state, np.full(14, HOUR_MS / 1000 + 1.04))


def test_when_the_clock_starts_over_what_came_before_is_forgotten(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    """A simulation of 3 s is restarted: the same stamps come again, of another run."""
    for at_ms in range(2000, 3001, 20):
        deliver(assembler, at_ms)
    assert ready(assembler, 3000).stamp_ns == 3000 * MS
    assert len(reasons(assembler, 2500)) == 4
    deliver(assembler, 2500)
    assert ready(assembler, 2500).stamp_ns == 2500 * MS


def test_old_samples_from_before_a_restart_do_not_block_new_ones(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    """The restart shows in the stamps before anybody looks."""
    for at_ms in range(50_000, 51_000, 20):
        deliver(assembler, at_ms)
    for at_ms in range(0, 100, 20):
        deliver(assembler, at_ms)
    assert ready(assembler, 80).stamp_ns == 80 * MS


def test_instants_of_two_threads_in_the_wrong_order_are_no_restart(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    assert ready(assembler, 1020).stamp_ns == 1000 * MS
    assert ready(assembler, 1010).stamp_ns == 1000 * MS


def test_a_clock_that_leaps_forward_leaves_the_streams_stale_until_they_follow(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    assert reasons(assembler, 9000)[0] == "base_camera: image 8.00 s old, limit 0.30"
    deliver(assembler, 9000)
    assert ready(assembler, 9000).stamp_ns == 9000 * MS


def test_after_clear_the_streams_start_over_even_with_older_stamps(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 5000)
    assembler.clear()
    assert len(reasons(assembler, 1000)) == 4
    deliver(assembler, 1000)
    assert ready(assembler, 1000).stamp_ns == 1000 * MS


def test_other_limits_can_be_chosen(embodiment: Embodiment, deliver: Deliver) -> None:
    strict = ObservationAssembler(embodiment, Freshness(image_age_ns=10 * MS))
    deliver(strict, 1000)
    assert ready(strict, 1010).stamp_ns == 1000 * MS
    assert reasons(strict, 1020)[0] == "base_camera: image 0.02 s old, limit 0.01"


def test_a_stream_may_have_an_age_limit_of_its_own(
    embodiment: Embodiment, changed: Changed, deliver: Deliver
) -> None:
    base, left, right = embodiment.cameras
    cameras = (base, left, right.model_copy(update={"age_ms": 200.0}))
    arms = StateSource(topic="joint_states", joints=embodiment.joint_names, age_ms=400.0)
    robot = changed(cameras=cameras, states=(arms,))
    assembler = ObservationAssembler(robot)
    deliver(assembler, 1000)
    assert ready(assembler, 1200).stamp_ns == 1000 * MS
    assert reasons(assembler, 1201) == ["right_wrist_camera: image 0.20 s old, limit 0.20"]
    assert reasons(assembler, 1401)[-1] == "joint_states: position 0.40 s old, limit 0.40"


def test_a_partner_must_be_within_its_own_limit_too(
    embodiment: Embodiment, changed: Changed, deliver: Deliver
) -> None:
    """Positions are late, so an old reference is used: too old for the right camera."""
    base, left, right = embodiment.cameras
    cameras = (base, left, right.model_copy(update={"age_ms": 50.0}))
    assembler = ObservationAssembler(changed(cameras=cameras))
    deliver(assembler, 1000)
    for at_ms in (1030, 1060, 1090):
        deliver(assembler, at_ms, without="joint_states")
    assert ready(assembler, 1050).stamp_ns == 1000 * MS
    assert reasons(assembler, 1100) == ["joint_states: still 0.090 s behind the reference image"]


@pytest.mark.parametrize("kind", ["image", "position"])
def test_a_reason_keeps_its_identity_while_its_number_changes(
    assembler: ObservationAssembler, deliver: Deliver, kind: str
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1900, without="joint_states" if kind == "position" else "base_camera")
    first, second = (assembler.snapshot(at * MS, PROMPT) for at in (1900, 1950))
    assert isinstance(first, NotReady)
    assert isinstance(second, NotReady)
    assert first.sentences != second.sentences
    assert [r.identity for r in first.reasons] == [r.identity for r in second.reasons]
    stream = "joint_states" if kind == "position" else "base_camera"
    assert first.reasons[0].identity == (stream, "old")


def test_images_are_kept_as_long_as_positions_are_late(
    assembler: ObservationAssembler, image: Image
) -> None:
    """At 60 Hz, with positions 0.25 s late."""
    for i in range(IMAGES_KEPT):
        for camera in CAMERAS:
            assembler.add_image(camera, (1000 + 17 * i) * MS, image(i))
    for at_ms in (995, 1005):
        assembler.add_positions(0, at_ms * MS, np.zeros(14))
    assert ready(assembler, 1205).stamp_ns == 1000 * MS
