"""Two Trossen ViperX 300 S arms on a SLATE base, Mobile ALOHA."""

from pi0_ros.launching import launch_description


def generate_launch_description():  # type: ignore[no-untyped-def]
    """Return bringup.launch.py with this robot chosen."""
    return launch_description("trossen_mobile")
