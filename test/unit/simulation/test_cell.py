from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pi0_ros.embodiment.controllers import ArxLiftController
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.cell import Cell
from pi0_ros.simulation.controllers import Rejected, Trajectory

MS = 1_000_000
LEFT = "left_scaled_joint_trajectory_controller"
GRIPPER = "left_gripper_controller"
KNUCKLE = "left_robotiq_85_left_knuckle_joint"


def to(embodiment: Embodiment, offset: float, in_ms: int, stamp_ns: int = 0) -> Trajectory:
    """A straight way of the left arm from home to home + offset."""
    names = embodiment.arms["left"].joints
    home = np.array([embodiment.home[embodiment.index(name)] for name in names])
    times = np.array([0, in_ms * MS])
    return Trajectory(names, stamp_ns, times, np.stack([home, home + offset]))


def run(cell: Cell, milliseconds: int) -> None:
    period_ns = cell.robot.embodiment.command.period_ns
    for _ in range(milliseconds * MS // period_ns):
        cell.step(cell.now_ns + period_ns)


def left_arm(cell: Cell, embodiment: Embodiment) -> np.ndarray:
    moved = cell.robot.positions - embodiment.home
    return np.array([moved[embodiment.index(name)] for name in embodiment.arms["left"].joints])


def test_without_commands_it_stands_at_home(cell: Cell, embodiment: Embodiment) -> None:
    run(cell, 500)
    np.testing.assert_allclose(cell.robot.positions, embodiment.home, atol=1e-3)


def test_a_trajectory_moves_the_joints_of_its_controller_only(
    cell: Cell, embodiment: Embodiment
) -> None:
    cell.command(LEFT, to(embodiment, 0.1, in_ms=500))
    run(cell, 1500)
    np.testing.assert_allclose(left_arm(cell, embodiment), 0.1, atol=5e-3)
    right = [embodiment.index(name) for name in embodiment.arms["right"].joints]
    np.testing.assert_allclose(cell.robot.positions[right], embodiment.home[right], atol=5e-3)


def test_a_gripper_is_moved_by_a_single_value(cell: Cell, embodiment: Embodiment) -> None:
    cell.command(GRIPPER, np.array([0.5]))
    run(cell, 1500)
    assert cell.robot.positions[embodiment.index(KNUCKLE)] == pytest.approx(0.5, abs=0.02)


def test_the_stamp_counts_on_the_cells_clock(cell: Cell, embodiment: Embodiment) -> None:
    cell.step(5000 * MS)
    with pytest.raises(Rejected, match=r"ended 0\.500 s in the past"):
        cell.command(LEFT, to(embodiment, 0.1, in_ms=500, stamp_ns=4000 * MS))


def test_a_controller_that_rejects_says_why(cell: Cell) -> None:
    with pytest.raises(Rejected, match="command size 2 of left_gripper_controller is not 1"):
        cell.command(GRIPPER, np.zeros(2))


def test_a_protective_stop_holds_where_the_robot_is(cell: Cell, embodiment: Embodiment) -> None:
    cell.command(LEFT, to(embodiment, 0.5, in_ms=1000))
    run(cell, 500)
    cell.protective_stop = True
    stopped = cell.robot.positions
    run(cell, 1000)
    assert cell.protective_stop
    np.testing.assert_allclose(cell.robot.positions, stopped, atol=5e-3)
    assert 0.2 < left_arm(cell, embodiment).max() < 0.3, "half-way, not at the end"


def test_during_a_protective_stop_commands_are_rejected(cell: Cell, embodiment: Embodiment) -> None:
    cell.protective_stop = True
    for name, value in ((LEFT, to(embodiment, 0.1, in_ms=100)), (GRIPPER, np.array([0.5]))):
        with pytest.raises(Rejected, match="protective stop: commands are ignored until"):
            cell.command(name, value)
    run(cell, 500)
    np.testing.assert_allclose(cell.robot.positions, embodiment.home, atol=1e-3)


def test_after_the_release_it_stays_until_the_next_command(
    cell: Cell, embodiment: Embodiment
) -> None:
    cell.command(LEFT, to(embodiment, 0.5, in_ms=1000))
    run(cell, 500)
    cell.protective_stop = True
    run(cell, 500)
    cell.protective_stop = False
    stopped = cell.robot.positions
    run(cell, 1000)
    np.testing.assert_allclose(cell.robot.positions, stopped, atol=5e-3)
    cell.command(LEFT, to(embodiment, 0.0, in_ms=500))
    run(cell, 1500)
    np.testing.assert_allclose(left_arm(cell, embodiment), 0.0, atol=0.02)


def test_switching_the_stop_on_twice_does_not_move_its_place(cell: Cell) -> None:
    cell.protective_stop = True
    target = cell.robot.command
    run(cell, 100)
    cell.protective_stop = True
    np.testing.assert_array_equal(cell.robot.command, target)


def test_reset_empties_the_controllers_and_moves_the_blocks(
    cell: Cell, embodiment: Embodiment
) -> None:
    before = cell.blocks()
    cell.command(LEFT, to(embodiment, 0.5, in_ms=1000))
    cell.command(GRIPPER, np.array([0.5]))
    run(cell, 500)
    cell.reset()
    np.testing.assert_array_equal(cell.robot.positions, embodiment.home)
    run(cell, 500)
    np.testing.assert_allclose(cell.robot.positions, embodiment.home, atol=1e-3)
    assert set(cell.blocks()) == {"red", "blue"}
    assert np.abs(cell.blocks()["red"] - before["red"]).max() > 0.01


def test_the_same_seed_gives_the_same_cells_reset_after_reset(
    cell: Cell, embodiment: Embodiment
) -> None:
    twin, other = Cell(embodiment, seed=0), Cell(embodiment, seed=1)
    for _ in range(3):
        np.testing.assert_array_equal(cell.blocks()["blue"], twin.blocks()["blue"])
        assert np.abs(cell.blocks()["blue"] - other.blocks()["blue"]).max() > 1e-3
        for each in (cell, twin, other):
            each.reset()


def test_a_command_that_is_not_finite_never_reaches_the_robot(
    cell: Cell, embodiment: Embodiment
) -> None:
    cell.command(LEFT, to(embodiment, float("nan"), in_ms=100))
    with pytest.raises(FloatingPointError, match="a controller commanded a position that is not"):
        cell.step(2 * MS)
    np.testing.assert_array_equal(cell.robot.command, embodiment.home)


# --- other controllers and a base ----------------------------------------------------------------


def respoken(embodiment: Embodiment, name: str, **changes: Any) -> Embodiment:
    """The robot with one of its controllers changed."""
    controllers = tuple(
        type(controller)(**{**controller.model_dump(), **changes})
        if controller.name == name
        else controller
        for controller in embodiment.controllers
    )
    return embodiment.model_copy(update={"controllers": controllers})


def test_a_controller_is_spoken_to_by_the_drivers_names(embodiment: Embodiment) -> None:
    names = tuple("abcdef")
    cell = Cell(respoken(embodiment, LEFT, names=names), seed=0)
    cell.command(LEFT, replace(to(embodiment, 0.1, in_ms=500), names=names))
    run(cell, 1500)
    np.testing.assert_allclose(left_arm(cell, embodiment), 0.1, atol=5e-3)


def test_a_type_that_is_not_simulated_is_refused(embodiment: Embodiment) -> None:
    arx = ArxLiftController(
        name="lift", type="arx_lift", topic="lift", rate_hz=50, joints=(KNUCKLE,)
    )
    with pytest.raises(ValueError, match="lift: simulated type 'arx_lift' is unknown"):
        Cell(embodiment.model_copy(update={"controllers": (arx,)}), seed=0)


@pytest.fixture
def mobile() -> Cell:
    return Cell(load_embodiment("trossen_mobile", simulation=True), seed=0)


def base_controller(cell: Cell) -> str:
    (name,) = (
        c.name for c in cell.robot.embodiment.controllers if c.type in ("twist", "twist_stamped")
    )
    return name


def base_pose(cell: Cell) -> np.ndarray:
    sensed = cell.sense().base
    assert sensed is not None
    return sensed[0]


def test_a_base_drives_while_it_hears_something_and_its_timeout_longer(mobile: Cell) -> None:
    assert mobile.robot.embodiment.base is not None
    timeout_s = mobile.robot.embodiment.base.timeout_ms / 1e3
    for _ in range(20):
        mobile.command(base_controller(mobile), np.array([-0.3, 0.0, 0.0]))
        run(mobile, 50)
    run(mobile, 2000)
    # The last of 20 commands, 50 ms apart, comes at 0.95 s.
    np.testing.assert_allclose(base_pose(mobile), [-0.3 * (0.95 + timeout_s), 0, 0], atol=2e-3)


def test_a_protective_stop_holds_the_base_too(mobile: Cell) -> None:
    mobile.command(base_controller(mobile), np.array([-0.5, 0.0, 0.0]))
    run(mobile, 200)
    mobile.protective_stop = True
    stopped = base_pose(mobile)
    with pytest.raises(Rejected, match="protective stop"):
        mobile.command(base_controller(mobile), np.array([-0.5, 0.0, 0.0]))
    run(mobile, 1000)
    np.testing.assert_allclose(base_pose(mobile), stopped, atol=0.03)
    mobile.protective_stop = False
    released = base_pose(mobile)
    run(mobile, 500)
    np.testing.assert_allclose(base_pose(mobile), released, atol=1e-4)


def test_reset_puts_the_base_back_and_forgets_its_velocity(mobile: Cell) -> None:
    mobile.command(base_controller(mobile), np.array([-0.5, 0.0, 0.5]))
    run(mobile, 200)
    mobile.reset()
    run(mobile, 500)
    np.testing.assert_allclose(base_pose(mobile), 0.0, atol=1e-4)


def test_what_is_sensed_is_of_the_last_cycle(cell: Cell, embodiment: Embodiment) -> None:
    cell.step(42 * MS)
    sensed = cell.sense()
    assert (sensed.now_ns, sensed.base) == (42 * MS, None)
    np.testing.assert_allclose(sensed.joint_state[0], embodiment.home, atol=1e-3)
    assert set(sensed.blocks) == {"red", "blue"}
