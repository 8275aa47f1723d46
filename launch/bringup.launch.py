"""Any robot, by name or by a YAML of one's own: policy, executor and, by default, a simulation."""

from pi0_ros.launching import launch_description


def generate_launch_description():  # type: ignore[no-untyped-def]
    """Return the plan of pi0_ros.bringup as launch actions."""
    return launch_description()
