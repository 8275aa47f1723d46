"""Quality of service by kind of stream (REP-2003)."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

IMAGES = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
# What waits until it is collected: a fifth of a second at 1 kHz.
STATES = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
JOINT_STATES = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
COMMANDS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
CHUNKS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
# Two seconds of a loop at 500 Hz, so that who records it misses no cycle.
EVERY_CYCLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
STATUS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
# Who subscribes late still gets the last one: e-stop, speed slider, markers.
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
