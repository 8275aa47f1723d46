from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.assembler import Freshness, ObservationAssembler
from pi0_ros.observation.observation import NotReady, Observation

MS = 1_000_000
PROMPT = "left arm reach the red block"
CAMERAS = ("base_camera", "left_wrist_camera", "right_wrist_camera")

Image = Callable[[int], np.ndarray]
Deliver = Callable[..., None]


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
    return list(result.reasons)


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
    assert ready(assembler, 1200).stamp_ns == 1150 * MS
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
        assembler.add_state(5000 * MS, np.zeros(14))
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


def test_joint_states_on_both_sides_of_a_gap_are_not_interpolated_across_it(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    deliver(assembler, 1500, without="joint_states")
    assembler.add_state(1710 * MS, np.full(14, 9.0))
    assert reasons(assembler, 1720) == [
        "joint_states: 0.210 s away from the reference, limit 0.200"
    ]


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
    assert ready(assembler, 1040).images["left_wrist_camera"][0, 0, 0] == 101


def test_the_state_is_interpolated_to_the_images_stamp(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1003, without="joint_states")
    assembler.add_state(1000 * MS, np.arange(14.0))
    assembler.add_state(1010 * MS, np.arange(14) + 10.0)
    np.testing.assert_allclose(ready(assembler, 1010).state, np.arange(14) + 3.0)


def test_a_late_joint_state_lands_at_its_place(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1005, without="joint_states")
    for stamp_ms in (1000, 1010, 1004):
        assembler.add_state(stamp_ms * MS, np.full(14, float(stamp_ms)))
    np.testing.assert_allclose(ready(assembler, 1010).state, np.full(14, 1005.0))


def test_a_fault_of_the_joint_states_is_told_until_they_are_complete_again(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 1000)
    assembler.report_fault("joint_states", "joint_states lacks left_shoulder_pan_joint")
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
    assembler.add_state(1010 * MS, state)
    assert reasons(assembler, 1010) == ["joint_states holds a position that is not finite"]
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


def test_after_clear_the_streams_start_over_even_with_older_stamps(
    assembler: ObservationAssembler, deliver: Deliver
) -> None:
    deliver(assembler, 5000)
    assembler.clear()
    assert len(reasons(assembler, 5000)) == 4
    deliver(assembler, 1000)
    assert ready(assembler, 1000).stamp_ns == 1000 * MS


def test_other_limits_can_be_chosen(embodiment: Embodiment, deliver: Deliver) -> None:
    strict = ObservationAssembler(embodiment, Freshness(image_age_ns=10 * MS))
    deliver(strict, 1000)
    assert ready(strict, 1010).stamp_ns == 1000 * MS
    assert reasons(strict, 1020)[0] == "base_camera: image 0.02 s old, limit 0.01"
