"""How this process exchanges messages with others."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pi0_ros.embodiment.files import share_directory

PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def without_shared_memory(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Fast DDS uses UDP only; a user's own profile is kept.

    A process that is killed leaves its shared memory locked for those who write to it: without this
    a policy that dies would hold up the executor's loop for two seconds. Other middlewares do not
    read the variable. Where ROS is confined to this machine rmw_fastrtps adds shared memory to any
    profile, so the profile does the confining.
    """
    folder = share_directory() / "config"
    if environment.get(PROFILES, "") not in {"", str(folder / "fastdds.xml")}:
        return dict(environment)
    if environment.get(RANGE) == "LOCALHOST":
        confined = {PROFILES: str(folder / "fastdds_loopback.xml"), RANGE: "SUBNET"}
        return {**environment, **confined}
    return {**environment, PROFILES: str(folder / "fastdds_udp.xml")}


def shun_shared_memory() -> None:
    """Have this process use UDP only; call it before rclpy.init."""
    os.environ.update(without_shared_memory(os.environ))
