"""What a topic of the robot's YAML is called in a bag: its namespace and its remappings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TopicNames:
    """How names of the YAML become names in the bag, as ROS resolves them.

    Attributes:
        namespace: Of the robot's nodes; empty for none.
        remapped: Names in the bag by names as the YAML has them.
    """

    namespace: str = ""
    remapped: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(namespace: str, rules: Iterable[str]) -> TopicNames:
        """Read rules such as ``joint_states:=/arm/joint_states``.

        Raises:
            ValueError: A rule has another form.
        """
        remapped = {}
        for rule in rules:
            ours, assigned, theirs = rule.partition(":=")
            if not (ours and assigned and theirs):
                raise ValueError(f"--topic '{rule}' must look like joint_states:=/arm/joint_states")
            remapped[ours] = theirs
        return TopicNames(namespace, remapped)

    def resolve(self, topic: str) -> str:
        """Return what a topic is called in the bag."""
        rules = {self._absolute(ours): theirs for ours, theirs in self.remapped.items()}
        name = self._absolute(topic)
        return self._absolute(rules.get(name, name))

    def _absolute(self, topic: str) -> str:
        space = self.namespace.strip("/")
        return topic if topic.startswith("/") else f"/{space}/{topic}" if space else f"/{topic}"


def find_namespaces(topics: Iterable[str], there: Collection[str]) -> tuple[str, ...]:
    """Return the namespaces in which a bag has all of some relative topics."""
    wanted = [topic for topic in topics if not topic.startswith("/")]
    if not wanted:
        return ()
    spaces = {
        name.removesuffix(f"/{wanted[0]}") for name in there if name.endswith(f"/{wanted[0]}")
    }
    return tuple(
        sorted(space for space in spaces if all(f"{space}/{topic}" in there for topic in wanted))
    )
