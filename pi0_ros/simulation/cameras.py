"""Camera images of the simulated robot, rendered off screen."""

from __future__ import annotations

import os

import mujoco
import numpy as np

from pi0_ros.simulation.scene import DRAWN_GROUP


class SimCameras:
    """Renders one model. Create and use it in the same thread: a GL context belongs to one.

    Args:
        model: The scene.
        width: Image width [px].
        height: Image height [px].
    """

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        """Open the off-screen renderer.

        Raises:
            RuntimeError: This machine has no off-screen GL; the message names the packages.
        """
        model.vis.global_.offwidth = max(width, model.vis.global_.offwidth)
        model.vis.global_.offheight = max(height, model.vis.global_.offheight)
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:
            raise RuntimeError(
                f"cannot render off screen with MUJOCO_GL={os.environ.get('MUJOCO_GL')}: {error}. "
                "Install libegl1 and libgl1-mesa-dri, or set MUJOCO_GL to osmesa or glfw."
            ) from error
        self._data = mujoco.MjData(model)
        self._model = model
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[DRAWN_GROUP] = 1
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = 0  # most of the time on a CPU

    def place(self, qpos: np.ndarray) -> None:
        """Take over a configuration of the whole scene, (nq,)."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def image(self, camera: str) -> np.ndarray:
        """Render one camera, (H, W, 3) uint8 RGB."""
        self._renderer.update_scene(self._data, camera, self._option)
        return np.array(self._renderer.render())

    def close(self) -> None:
        """Free the GL context."""
        self._renderer.close()
