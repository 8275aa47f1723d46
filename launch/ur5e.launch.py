"""A UR5e arm with a Robotiq 2F-85 gripper."""

from pi0_ros.launching import launch_description


def generate_launch_description():  # type: ignore[no-untyped-def]
    """Return bringup.launch.py with this robot chosen."""
    return launch_description("ur5e")
