"""Correct the ROS wheels' CMake files and let `activate` bring the whole ROS environment.

The wheels export absolute paths of the machine that built them (Python's and numpy's headers).
They are replaced once per venv by this venv's own; a second run changes nothing. Run by `make
setup` with the venv's Python where no ROS 2 distribution is sourced.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

BUILDER_PYTHON = re.compile(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+")
BUILDER_NUMPY = re.compile(
    r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/(?:_core|core)/include"
)
MARK = "# pi0_ros: ROS 2 from the venv's wheels"
ACTIVATE = f"""
{MARK}
export AMENT_PREFIX_PATH="$VIRTUAL_ENV" CMAKE_PREFIX_PATH="$VIRTUAL_ENV"
export LD_LIBRARY_PATH="$VIRTUAL_ENV/lib"
for libraries in "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_*.libs; do
    LD_LIBRARY_PATH="$libraries:$LD_LIBRARY_PATH"
done
unset libraries
# The wheels' bootstrapper would start Python a second time only to set LD_LIBRARY_PATH.
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
if [ -f "$VIRTUAL_ENV/../install/local_setup.sh" ]; then
    COLCON_CURRENT_PREFIX="$(cd "$VIRTUAL_ENV/../install" && pwd)"
    export COLCON_CURRENT_PREFIX
    . "$COLCON_CURRENT_PREFIX/local_setup.sh"
    unset COLCON_CURRENT_PREFIX
fi
"""


def mend_cmake_files(prefix: Path) -> int:
    """Replace the builder's include paths in ``share/**/cmake``; return how many files changed."""
    changed = 0
    for path in (prefix / "share").rglob("*.cmake"):
        text = path.read_text()
        mended = BUILDER_NUMPY.sub(np.get_include(), text)
        mended = BUILDER_PYTHON.sub(sysconfig.get_path("include"), mended)
        if mended != text:
            path.write_text(mended)
            changed += 1
    return changed


def extend_activate(prefix: Path) -> None:
    """Append the ROS environment to the venv's activate script, once."""
    activate = prefix / "bin" / "activate"
    text = activate.read_text().split(f"\n{MARK}")[0]
    activate.write_text(text + ACTIVATE)


if __name__ == "__main__":
    venv = Path(sys.prefix)
    print(f"corrected {mend_cmake_files(venv)} CMake files of the ROS wheels")
    extend_activate(venv)
