"""The policy without weights: finds the named block by its color and reaches it by kinematics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pi0_ros.embodiment.kinematics import Chain, turned
from pi0_ros.embodiment.spec import Camera, Embodiment
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.instruction import Instruction, parse_instruction
from pi0_ros.policy.protocol import CannotPlan, Continuation

# The task: the tool point goes to just above the middle of a 5 cm block's top face.
BLOCK_HEIGHT_M = 0.05
CLEARANCE_M = 0.01
CENTRE_M = BLOCK_HEIGHT_M / 2  # a cube's outline is symmetric about its centre, from any side
FEWEST_PIXELS = 40  # less is the edge of a hidden block, whose middle is unknown
WHOLE_VIEW = 0.9  # of the most pixels seen; with less the arm hides a part, and the middle shifts
MOVED_M = 0.04  # more than the middle shifts where half is hidden: the block is elsewhere now ...
HALF_VIEW = 0.5  # ... unless a sliver is left

SPEED_M_S = 0.25
TURN_RAD_S = 0.5  # of a tool that does not stand as at home
GAIN_PER_S = 3.0  # approach speed per distance: slows down over the last 10 cm
FUNNEL_SLOPE = 1.2  # height above the goal per horizontal distance, so that it comes from above
FUNNEL_HEIGHT_M = 0.12
HOMING_PER_S = 0.4  # [rad/s or m/s]; other arms return home, grippers open
LARGEST_IK_ERROR = 0.02  # beyond it the block is out of reach [m + rad]


@dataclass(frozen=True, eq=False)
class Sighting:
    """Where a block was seen on the table, (2,) [m], and in how many pixels."""

    place: np.ndarray
    pixels: int


class ScriptedPolicy:
    """Follows the simulation's task with plain kinematics; needs no weights.

    It sees what any policy sees: the block is found in the reference camera's image by its color
    and projected onto the table. Each plan is a velocity field followed from the observed state,
    so that consecutive plans agree wherever the robot really is.

    Args:
        embodiment: The robot.
        urdf: Its URDF text, for kinematics and camera poses.
    """

    name = "scripted"
    continues = False  # plans agree anyway

    def __init__(self, embodiment: Embodiment, urdf: str) -> None:
        """Read the chains of the arms and of the reference camera."""
        self._embodiment = embodiment
        names = embodiment.joint_names
        self._table_m = embodiment.scene.table.height
        self._camera = embodiment.cameras[0]
        self._camera_chain = Chain(urdf, self._camera.frame, names)
        self._chains = {
            name: Chain(urdf, arm.tool_link, names) for name, arm in embodiment.arms.items()
        }
        self._seen: dict[str, Sighting] = {}  # the last whole view of each block, by color

    def warm_up(self) -> None:
        """Nothing is slow the first time."""

    def check_prompt(self, prompt: str) -> str | None:
        """Return what is wrong with a sentence, None where it is understood."""
        try:
            parse_instruction(prompt, self._embodiment.arms)
        except ValueError as error:
            return str(error)
        return None

    def plan(
        self, observation: Observation, previous: Continuation | None = None, sequence: int = 0
    ) -> ActionChunk:
        """Plan the way from the observed state to the named block.

        Raises:
            CannotPlan: The sentence is not understood, the block was never seen or is out of
                reach.
        """
        try:
            instruction = parse_instruction(observation.prompt, self._embodiment.arms)
        except ValueError as error:
            raise CannotPlan(str(error)) from error
        goal = self._goal(observation, instruction)
        return ActionChunk(
            names=self._embodiment.axis_names,
            kinds=action_kinds(self._embodiment),
            actions=self._actions(self._joints(observation.state), instruction.arm, goal),
            start_ns=observation.stamp_ns,
            period_ns=self._embodiment.policy.period_ns,
            prompt=observation.prompt,
        )

    def _goal(self, observation: Observation, instruction: Instruction) -> np.ndarray:
        color = instruction.color
        pose = self._camera_chain.pose(self._joints(observation.state))
        image = observation.images[self._camera.name]
        seen = locate_block(image, color, self._camera, pose, self._table_m + CENTRE_M)
        known = remembered(self._seen.get(color), seen)
        if known is None:
            raise CannotPlan(
                f"no {color} block is visible in {self._camera.name}; move it, or the arm above it"
            )
        self._seen[color] = known
        return np.array([*known.place, self._table_m + BLOCK_HEIGHT_M + CLEARANCE_M])

    def _joints(self, state: np.ndarray) -> np.ndarray:
        """Complete the observed state (S,) to all joints (J,); what is not seen is at home."""
        joints = np.array(self._embodiment.home)
        joints[[joint.observed for joint in self._embodiment.joints]] = state
        return joints

    def _actions(self, joints: np.ndarray, arm: str, goal: np.ndarray) -> np.ndarray:
        """Let the joints go the way, (H, A); a base stands still."""
        way = self._way(joints, arm, goal)
        actions = np.zeros((len(way), len(self._embodiment.axes)))
        actions[:, self._embodiment.joint_columns] = way
        return actions

    def _way(self, joints: np.ndarray, arm: str, goal: np.ndarray) -> np.ndarray:
        """Follow the velocity field from where the joints are, (H, J)."""
        chain, period = self._chains[arm], self._embodiment.policy.period_ns / 1e9
        upright, pose = chain.pose(self._embodiment.home)[:3, :3], chain.pose(joints)
        place, rotation, moved = pose[:3, 3], pose[:3, :3], np.array(joints, dtype=np.float64)
        names = self._embodiment.joint_names
        moving = [names.index(name) for name in self._embodiment.arms[arm].joints]
        resting = np.setdiff1d(np.arange(len(joints)), moving)
        rest = self._rest()[resting]
        step = period * np.array([joint.velocity for joint in self._embodiment.joints])
        homing = np.minimum(HOMING_PER_S * period, step[resting])
        actions = []
        for _ in range(self._embodiment.policy.horizon):
            actions.append(moved)
            ahead = place + period * funnel_velocity(place, goal)
            facing = turned(rotation, upright, GAIN_PER_S * period, TURN_RAD_S * period)
            reached, error = chain.reach(ahead, facing, moved, 4, moving)
            if error > LARGEST_IK_ERROR:
                raise CannotPlan(
                    f"{arm} arm cannot reach {np.round(ahead, 3)} m (error {error:.3f}); "
                    "move the block closer, or name another arm"
                )
            reached[resting] += np.clip(rest - moved[resting], -homing, homing)
            share = 1 / max(1.0, float((np.abs(reached - moved) / step).max()))
            moved = moved + share * (reached - moved)  # the tool waits for the slowest joint
            place = place + share * (ahead - place)
            rotation = turned(rotation, facing, share, np.pi)
        lower, upper = np.transpose([(j.lower, j.upper) for j in self._embodiment.joints])
        return np.clip(actions, lower, upper)

    def _rest(self) -> np.ndarray:
        """Where joints that do not reach go: arms home, grippers open, (J,)."""
        joints = self._embodiment.joints
        return np.array([j.home if j.gripper is None else j.gripper.open for j in joints])


def remembered(known: Sighting | None, seen: Sighting | None) -> Sighting | None:
    """Return what is known of a block after another look at it.

    A view is whole by the most that was ever seen at that place: by the last view, an arm that
    comes closer would shift the block little by little.
    """
    if known is None or seen is None:
        return known or seen
    moved = float(np.linalg.norm(seen.place - known.place)) > MOVED_M
    if seen.pixels < (HALF_VIEW if moved else WHOLE_VIEW) * known.pixels:
        return known
    return seen if moved else replace(seen, pixels=max(seen.pixels, known.pixels))


def funnel_velocity(place: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Velocity of the tool that comes to a goal from above.

    Args:
        place: Tool's position, (3,) [m].
        goal: Its goal, (3,) [m].

    Returns:
        (3,) [m/s], at most ``SPEED_M_S`` horizontally and vertically.
    """
    ahead = goal[:2] - place[:2]
    distance = float(np.linalg.norm(ahead))
    height = goal[2] + min(FUNNEL_SLOPE * distance, FUNNEL_HEIGHT_M)
    speed = min(GAIN_PER_S * distance, SPEED_M_S)
    across = ahead * (speed / distance) if distance > 0 else ahead
    up = float(np.clip(GAIN_PER_S * (height - place[2]), -SPEED_M_S, SPEED_M_S))
    return np.array([*across, up])


def locate_block(
    image: np.ndarray, color: str, camera: Camera, camera_to_world: np.ndarray, height_m: float
) -> Sighting | None:
    """Find a block's middle on the table from its color.

    Args:
        image: RGB, (H, W, 3) uint8.
        color: ``red`` or ``blue``.
        camera: The camera's optics.
        camera_to_world: Pose of the optical frame (REP-103: z forward, y down), (4, 4) [m].
        height_m: Height of the visible pixels' middle [m].

    Returns:
        Its place in the world, None where too little of it is seen.
    """
    channels = image.astype(np.int16)
    wanted = channels[..., 0 if color == "red" else 2]
    others = channels[..., (1, 2) if color == "red" else (0, 1)].max(axis=-1)
    rows, columns = np.nonzero((wanted > 70) & (wanted > 2.2 * others))
    if len(rows) < FEWEST_PIXELS:
        return None
    height, width = image.shape[:2]
    focal = height / 2 / np.tan(np.radians(camera.fovy_deg) / 2)
    ray = np.array([columns.mean() + 0.5 - width / 2, rows.mean() + 0.5 - height / 2, focal])
    origin, direction = camera_to_world[:3, 3], camera_to_world[:3, :3] @ ray
    place = origin + direction * ((height_m - origin[2]) / direction[2])
    return Sighting(place[:2], len(rows))
