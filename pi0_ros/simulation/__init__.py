"""A robot in MuJoCo. Off-screen rendering is chosen here: mujoco reads it when first imported."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's rasteriser would take every core
