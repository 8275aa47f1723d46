"""requirements/system.py: what pip cannot bring is installed, or named with the command."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements" / "system.py"


@pytest.fixture
def system():
    spec = importlib.util.spec_from_file_location("system_packages", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_missing_where_these_tests_run(system):
    assert system.missing_packages() == []
    assert system.main() == 0


def test_a_missing_library_is_named_with_the_command_where_nobody_may_install(
    system, monkeypatch, capsys
):
    monkeypatch.setattr(system.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(system, "apt_command", lambda: None)
    assert system.main() == 1
    assert "sudo apt-get install -y libegl1" in capsys.readouterr().err


def test_a_missing_library_is_installed_where_one_may(system, monkeypatch):
    ran = []

    class Done:
        returncode = 0

    monkeypatch.setattr(system.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(system, "apt_command", lambda: ["apt-get"])
    monkeypatch.setattr(system.subprocess, "run", lambda words, **_: ran.append(words) or Done())
    assert system.main() == 0
    assert ran[-1] == ["apt-get", "install", "-y", "libegl1"]


def test_a_python_that_the_pins_do_not_know_is_refused_with_the_remedy(system, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    assert system.main() == 1
    said = capsys.readouterr().err
    assert "Python 3.9 is not supported; 3.10, 3.11 and 3.12 are" in said
    assert "make setup PYTHON=python3.12" in said
