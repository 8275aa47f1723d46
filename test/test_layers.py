"""The layer table of CONTRIBUTING.md, enforced: who may import what."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pi0_ros"

ROS = {
    "rclpy", "rcl_interfaces", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs",
    "lifecycle_msgs", "nav_msgs", "pi0_msgs", "rosgraph_msgs", "sensor_msgs", "std_msgs",
    "std_srvs", "tf2_msgs", "trajectory_msgs", "visualization_msgs",
    "action_msgs",
}  # fmt: skip
MESSAGES = ROS - {"rclpy", "rcl_interfaces", "rosgraph_msgs", "lifecycle_msgs", "std_srvs"}

# layer: (our layers that it may import, others' packages that it may import)
LAYERS: dict[str, tuple[set[str], set[str]]] = {
    "embodiment": (set(), {"numpy", "scipy", "yaml", "pydantic", "xacro", "yourdfpy"}),
    "observation": ({"embodiment"}, {"numpy"}),
    "execution": ({"embodiment"}, {"numpy", "scipy"}),
    "model": (set(), {"torch", "safetensors", "sentencepiece", "tensorstore"}),
    "policy": (
        {"embodiment", "observation", "execution", "model"},
        {"numpy", "torch", "sentencepiece", "pydantic", "huggingface_hub", "PIL", "msgpack"},
    ),
    "simulation": ({"embodiment"}, {"numpy", "scipy", "mujoco"}),
    "bridge": (
        {"embodiment", "observation", "execution", "simulation"},
        {"numpy", "cv2", "rosbags", "mcap", "ament_index_python", *MESSAGES},
    ),
    "nodes": (
        {"embodiment", "observation", "execution", "policy", "simulation", "bridge"},
        {"numpy", "mujoco", *ROS},
    ),
    "cli": (
        {"embodiment", "observation", "execution", "model", "policy", "simulation", "bridge",
         "nodes", "bringup"},
        {"numpy", "typer", "rich", "honcho", "yaml", "av", "cv2", "matplotlib", "torch", "PIL",
         "safetensors", "sentencepiece", *ROS},
    ),
    "bringup": ({"embodiment", "viewer"}, {"yaml"}),
    "viewer": ({"embodiment"}, {"yaml"}),
    "launching": ({"embodiment", "bringup"}, {"launch", "launch_ros"}),
}  # fmt: skip
MAY_KNOW_TIME_AND_THREADS = {"nodes", "cli"}


def sources() -> list[Path]:
    """All modules of the package but the empty ones."""
    return sorted(path for path in PACKAGE.rglob("*.py") if path.read_text().strip())


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the module"
            names.add(node.module or "")
    return names


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    if layer == "__init__":
        assert not imports(path)
        return
    ours, others = LAYERS[layer]
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "pi0_ros":
            assert rest[0] in ours | {layer}, f"{layer} may not import pi0_ros.{rest[0]}"
        elif top not in sys.stdlib_module_names:
            assert top in others, f"{layer} may not import {top}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_nodes_and_commands_know_clocks_and_threads(path: Path) -> None:
    if layer_of(path) not in MAY_KNOW_TIME_AND_THREADS:
        assert not imports(path) & {"time", "threading", "multiprocessing", "asyncio"}


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_one_noun_of_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_function_is_taken_in_at_a_glance(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_a_launch_file_needs_nothing_that_a_distribution_lacks() -> None:
    """ros2 launch runs on the distribution's Python, which has no pydantic 2 and no torch."""
    on_launch = ("bringup", "viewer", "launching", "embodiment.files", "embodiment.errors",
                 "embodiment.urdf")  # fmt: skip
    for name in on_launch:
        tree = ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text())
        at_import = {
            alias if isinstance(node, ast.Import) else node.module
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([a.name for a in node.names] if isinstance(node, ast.Import) else [""])
        }
        allowed = {f"pi0_ros.{other}" for other in on_launch}
        assert {n.split(".")[0] for n in at_import - allowed} <= set(sys.stdlib_module_names)


def test_every_layer_of_the_package_is_in_the_table() -> None:
    assert {layer_of(path) for path in sources()} - {"__init__"} == set(LAYERS)
