from __future__ import annotations

import pytest
from std_msgs.msg import Int32

from pi0_ros.nodes import qos
from pi0_ros.nodes.collected import CollectedSubscription


@pytest.fixture
def numbers(peer):
    """What was heard, and the subscription that has some numbers to collect."""
    heard: list[int] = []
    subscription = CollectedSubscription(
        peer.node, Int32, "numbers", lambda message: heard.append(message.data), qos.STATES
    )
    peer.until(lambda: peer.node.count_subscribers("numbers"))
    return heard, subscription


def send(peer, subscription, heard, count):
    """Send numbers until the first one can be collected, then some more."""
    told = peer.listen(Int32, "numbers")
    peer.until(lambda: told, lambda: peer.publish("numbers", Int32(data=-1)))
    subscription.collect()
    heard.clear()
    told.clear()
    for number in range(count):
        peer.publish("numbers", Int32(data=number))
    peer.until(lambda: told and told[-1].data == count - 1)


def test_messages_wait_until_they_are_collected_and_come_in_their_order(peer, numbers):
    heard, subscription = numbers
    send(peer, subscription, heard, 9)  # the peer's callbacks are spun meanwhile
    assert heard == []
    subscription.collect()
    assert heard[-9:] == list(range(9))
    heard.clear()
    subscription.collect()
    assert heard == []
    subscription.destroy()


def test_a_subscription_that_was_destroyed_leaves_the_callbacks_alone(peer, numbers):
    _, subscription = numbers
    subscription.destroy()
    told = peer.listen(Int32, "numbers")
    peer.until(lambda: told, lambda: peer.publish("numbers", Int32(data=1)))
