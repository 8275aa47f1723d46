"""Two ARX X5 arms on a lift on a holonomic base (stand-in for Mobile Fibocom)."""

from pi0_ros.launching import launch_description


def generate_launch_description():  # type: ignore[no-untyped-def]
    """Return bringup.launch.py with this robot chosen."""
    return launch_description("fibocom_mobile")
