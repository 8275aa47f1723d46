"""Install, or name, what pip cannot bring: a C++ compiler, Python's headers, off-screen GL.

Run by `make setup` before anything else, with any Python 3.10 or newer and nothing installed.
"""

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

OLDEST, NEWEST = (3, 10), (3, 12)
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def missing_packages() -> list[str]:
    """Name the Debian packages whose contents are not found on this machine."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    has_mesa = any(Path("/usr/lib").glob("*/dri/swrast_dri.so")) or any(
        Path("/usr/lib").glob("*/libgallium*.so")
    )
    present = {
        "g++": shutil.which("g++"),
        "make": shutil.which("make"),
        f"{PYTHON}-dev": header.exists(),
        f"{PYTHON}-venv": importlib.util.find_spec("ensurepip"),
        "libegl1": ctypes.util.find_library("EGL"),
        "libgl1-mesa-dri": has_mesa or Path("/dev/nvidia0").exists(),
    }
    return [package for package, found in present.items() if not found]


def apt_command() -> list[str] | None:
    """Return apt-get as this user may run it without a password, or None."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return ["apt-get"]
    may_sudo = shutil.which("sudo") and subprocess.run(
        ["sudo", "-n", "true"], capture_output=True, check=False
    )
    return ["sudo", "-n", "apt-get"] if may_sudo and may_sudo.returncode == 0 else None


def main() -> int:
    """Install what is missing where this user may; otherwise print the command that does."""
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        print(
            f"Python {version[0]}.{version[1]} is not supported; 3.10, 3.11 and 3.12 are. "
            "Name another one: make setup PYTHON=python3.12",
            file=sys.stderr,
        )
        return 1
    missing = missing_packages()
    if not missing:
        return 0
    apt = apt_command()
    if apt is None:
        print(
            f"These system packages are missing and cannot be installed by this user: "
            f"{', '.join(missing)}.\nRun: sudo apt-get install -y {' '.join(missing)}\n"
            "(on another distribution: its packages with the same contents), then make again.",
            file=sys.stderr,
        )
        return 1
    print(f"installing system packages: {' '.join(missing)}")
    subprocess.run([*apt, "update", "-q"], check=False)
    return subprocess.run([*apt, "install", "-y", *missing], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
