"""An environment of its own for LeRobot, and the comparison that runs in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Any

from rich.console import Console

from pi0_ros.embodiment.files import share_directory

PEER = "lerobot"
OLDEST_PYTHON = (3, 11)  # LeRobot's π0 imports typing.Unpack
MARKER = "complete.txt"  # what is installed; written last
LOG = "pip.log"
LOG_LINES = 6  # of pip's log that an error shows


class PeerError(OSError):
    """The peer cannot be installed or run; the message says why and what to do."""


def compare_with_lerobot(
    size: dict[str, Any], dtype: str, device: str, threads: int, folder: Path | None
) -> dict[str, Any]:
    """Run LeRobot's π0 beside ours in a process of its own.

    Args:
        size: Arguments of `model_sizes.model_size`.
        dtype: ``float32`` or ``bfloat16``.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads.
        folder: Where the environment is or shall be; None for a place in the user's cache.

    Returns:
        What `lerobot_run.compare` returns.

    Raises:
        PeerError: The environment cannot be made, or the comparison broke off.
    """
    python = make_environment(folder or default_folder())
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        request = {"size": size, "dtype": dtype, "device": device, "threads": threads}
        command = [str(python), "-m", "pi0_ros.cli.bench.lerobot_run"]
        code = subprocess.run(
            [*command, json.dumps({**request, "answer": str(answer)})],
            env={**os.environ, **environment()},
            check=False,
        ).returncode
        if code == -9:
            raise PeerError(f"the system killed the comparison, mostly because memory ran out; "
                            f"take a smaller size than '{size['name']}'")  # fmt: skip
        if code != 0:
            raise PeerError(f"the comparison in {python} ended with {code}; its error is above")
        numbers: dict[str, Any] = json.loads(answer.read_text())
    return numbers


def environment() -> dict[str, str]:
    """Variables of the peer's process: it imports this very package and asks no hub."""
    return {
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }


def requirements() -> list[str]:
    """Lines of requirements/peers.txt; the peer is the first."""
    text = (share_directory() / "requirements" / "peers.txt").read_text(encoding="utf-8")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line]


def default_folder() -> Path:
    """A place in the user's cache that names the peer and the Python."""
    name = f"{requirements()[0].replace('==', '-')}-python{sysconfig.get_python_version()}"
    return Path.home() / ".cache" / "pi0_ros" / "peers" / name


def make_environment(folder: Path) -> Path:
    """Install the peer, unless it is there; what an earlier run began is continued.

    Returns:
        The Python that imports it.

    Raises:
        PeerError: This Python is too old, the folder is something else, or pip fails.
    """
    python = folder / "bin" / "python"
    wanted = "\n".join([sysconfig.get_python_version(), *requirements()])
    marker = folder / MARKER
    if marker.is_file() and marker.read_text() == wanted:
        _see_our_packages(folder)
        return python
    _check(folder)
    peer, *others = requirements()
    with Console(stderr=True).status(f"installing {peer} in {folder} (150 MB, once)"):
        venv.create(folder, with_pip=False)
        _see_our_packages(folder)
        log = folder / LOG
        log.unlink(missing_ok=True)
        # It declares Python 3.12, but its π0 runs on 3.11; and a torch of its own.
        _install(python, log, "--no-deps", "--ignore-requires-python", peer)
        _install(python, log, *others)
    marker.write_text(wanted)
    return python


def _check(folder: Path) -> None:
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise PeerError(f"{PEER} needs Python {oldest} or newer and this is "
                        f"{sysconfig.get_python_version()}; compare on such a machine")  # fmt: skip
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise PeerError(f"{folder} is no virtual environment; name an empty or a new folder")


def _see_our_packages(folder: Path) -> None:
    """Let the environment see our packages behind its own: a second torch would be another."""
    ours = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    own = sysconfig.get_path("purelib", "posix_prefix", {"base": str(folder)})
    Path(own, "pi0_ros.pth").write_text("\n".join(ours) + "\n")


def _install(python: Path, log: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *arguments]
    with log.open("a") as output:
        code = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    if code != 0:
        last = "\n".join(log.read_text().splitlines()[-LOG_LINES:])
        raise PeerError(
            f"pip could not install {arguments[-1]}:\n{last}\nIs there a network? Run the command "
            f"again, it continues; all of pip's words are in {log}"
        )
