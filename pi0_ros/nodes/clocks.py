"""Clocks of the nodes."""

from rclpy.clock import Clock, ClockType

# For timers that must go on while simulated time stands still.
STEADY = Clock(clock_type=ClockType.STEADY_TIME)
