"""Whether the robot's messages can be read and written here, and of which type they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pi0_ros.cli.check.finding import Finding, Findings, not_checked, ok, unless, wrong
from pi0_ros.embodiment.spec import Embodiment

Types = Mapping[str, str]  # of each controller and source of states, by its topic in the YAML
NO_ROS = "`make setup`, or source a ROS 2 distribution"


def check_messages(embodiment: Embodiment) -> tuple[Findings, Types]:
    """Make every controller's encoder and every state's decoder, as our nodes do.

    Returns:
        What was found, and the types; without those whose packages are missing.
    """
    try:
        from pi0_ros.bridge.message_packages import SOURCES

        makers = list(_makers(embodiment))
    except ImportError as error:
        return (not_checked("messages", f"no ROS 2 here ({error})", NO_ROS),), {}
    types: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    faults: list[Finding] = []
    for topic, name, make in makers:
        try:
            types[topic] = type_name(make().message_type)
        except ImportError as error:
            package = (getattr(error.__cause__, "name", None) or "").split(".")[0]
            if package in SOURCES:
                missing.setdefault(package, []).append(name)
            else:
                faults.append(wrong(name, str(error), "mend the package, or the YAML's type"))
        except ValueError as error:
            faults.append(wrong(name, str(error), "correct it in the robot's YAML"))
    for package, names in missing.items():
        said = f"{package} is not installed; needed by {', '.join(names)}"
        faults.append(wrong("messages", said, f"{SOURCES[package]}; --simulation does without"))
    said = f"all are installed: {', '.join(sorted(set(types.values())))}"
    return unless(faults, ok("messages", said)), types


def type_name(message: type[Any]) -> str:
    """Return how ROS writes the type of a message or an action."""
    package, kind = message.__module__.split(".")[:2]
    return f"{package}/{kind}/{message.__name__}"


def _makers(embodiment: Embodiment) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Return topic, name for people, and what makes the encoder or decoder, of each."""
    from pi0_ros.bridge.commands import make_encoder
    from pi0_ros.bridge.states import make_decoder

    for source in embodiment.state_sources:
        yield source.topic, f"states of {source.topic}", partial(make_decoder, source, embodiment)
    for one in embodiment.controllers:
        yield one.topic, f"controller {one.name}", partial(make_encoder, one, embodiment)
