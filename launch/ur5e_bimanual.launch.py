"""Two UR5e arms: policy, executor and, unless simulation:=false, the simulated robot."""

from pi0_ros.bringup import launch_description


def generate_launch_description():  # type: ignore[no-untyped-def]
    """Return the plan of pi0_ros.bringup as launch actions."""
    return launch_description("ur5e_bimanual")
