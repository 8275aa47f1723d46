"""Two ARX X5 arms on an AgileX Tracer."""

from pi0_ros.launching import launch_description


def generate_launch_description():  # type: ignore[no-untyped-def]
    """Return bringup.launch.py with this robot chosen."""
    return launch_description("arx_mobile")
