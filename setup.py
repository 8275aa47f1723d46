"""The ament_python package pi0_ros. Its dependencies are in package.xml and requirements/."""

from pathlib import Path

from setuptools import find_packages, setup

SHARE = Path("share/pi0_ros")
SHARED_FOLDERS = ("launch", "config", "urdf", "requirements")


def shared_files() -> list[tuple[str, list[str]]]:
    """Every file of the shared folders, each beside its folder in the share directory."""
    files = [path for top in SHARED_FOLDERS for path in Path(top).rglob("*") if path.is_file()]
    kept = [path for path in files if not {"__pycache__", "ament_index"} & set(path.parts)]
    folders = sorted({path.parent for path in kept})
    return [
        (str(SHARE / folder), sorted(str(path) for path in kept if path.parent == folder))
        for folder in folders
    ]


setup(
    name="pi0_ros",
    version="0.1.0",
    description="The π0 vision-language-action model on ROS 2 robots",
    license="Apache-2.0",
    packages=find_packages(include=["pi0_ros", "pi0_ros.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["config/ament_index/pi0_ros"]),
        (str(SHARE), ["package.xml"]),
        ("bin", ["pi0_ros/cli/pi0"]),
        *shared_files(),
    ],
    zip_safe=False,
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "policy_node = pi0_ros.nodes.policy_node:main",
            "chunk_executor_node = pi0_ros.nodes.chunk_executor_node:main",
            "sim_robot_node = pi0_ros.nodes.sim_robot_node:main",
            "preview_node = pi0_ros.nodes.preview_node:main",
            "pi0 = pi0_ros.cli.main:main",
        ]
    },
)
