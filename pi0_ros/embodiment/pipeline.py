"""All arithmetic between a robot's numbers and a network's, but for ROS units and padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.convention import Convention, absolute, delta
from pi0_ros.embodiment.normalisation import Normalisation


@dataclass(frozen=True, eq=False)
class Pipeline:
    """One convention and its statistics, in openpi's order.

    In: convention, delta (training only), normalise. Out: denormalise, absolute, convention, cut.
    """

    convention: Convention
    normalisation: Normalisation

    def state(self, state: np.ndarray) -> np.ndarray:
        """Turn a robot's state into the network's, (..., S).

        Raises:
            ValueError: The state does not fit the convention or the statistics.
        """
        return self.normalisation.state.normalise(self.convention.state_to_model(state))

    def targets(self, actions: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Turn a robot's actions into what the network learns, (..., H, A).

        Args:
            actions: (..., H, A) in the robot's units.
            state: The robot's state at the first action, (..., S), likewise.

        Raises:
            ValueError: They do not fit the convention or the statistics.
        """
        here = self.convention.state_to_model(state)
        relative = delta(
            self.convention.actions_to_model(actions), here, self.convention.delta_mask
        )
        return self.normalisation.actions.normalise(relative)

    def actions(self, sampled: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Turn the network's output into a robot's actions; the inverse of :meth:`targets`.

        Args:
            sampled: (..., H, W), as wide as the network pads them.
            state: The robot's state that the network saw, (..., S) in the robot's units.

        Returns:
            (..., H, A) in the robot's units.

        Raises:
            ValueError: They do not fit the convention.
        """
        here = self.convention.state_to_model(state)
        relative = self.normalisation.actions.denormalise(
            sampled[..., : self.convention.action_width]
        )
        return self.convention.actions_to_robot(
            absolute(relative, here, self.convention.delta_mask)
        )
