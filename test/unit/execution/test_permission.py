from __future__ import annotations

import pytest

from pi0_ros.execution.permission import Permission
from pi0_ros.execution.reasons import Code, Reason

STOP = Reason(Code.STOP_REQUESTED, "call ~/reset to go on")


@pytest.fixture
def permission():
    permission = Permission()
    permission.is_enabled = True
    return permission


def test_nothing_is_allowed_before_it_is_enabled():
    assert str(Permission().why_idle()) == "not_enabled: call ~/enable"


def test_enabled_there_is_no_reason_to_be_idle(permission):
    assert permission.why_idle() is None


def test_a_stop_lasts_until_a_reset_and_until_the_robot_stands(permission):
    permission.stop(STOP)
    permission.stands()
    assert permission.why_idle() == STOP
    assert permission.reset() is None
    assert permission.why_idle() == STOP
    permission.stands()
    assert permission.why_idle() is None


def test_a_reset_without_a_stop_stands_first(permission):
    permission.reset()
    assert permission.why_idle().code is Code.STOP_REQUESTED
    permission.stands()
    assert permission.why_idle() is None


def test_a_stop_during_a_reset_is_a_new_one(permission):
    permission.stop(STOP)
    permission.reset()
    permission.stop(STOP)
    permission.stands()
    assert permission.why_idle() == STOP


def test_a_pressed_estop_cannot_be_reset_and_its_release_starts_nothing(permission):
    permission.estop(True)
    assert permission.reset().code is Code.ESTOP
    permission.estop(False)
    permission.stands()
    assert permission.why_idle().code is Code.ESTOP
    permission.reset()
    permission.stands()
    assert permission.why_idle() is None


def test_a_stop_does_not_hide_a_pressed_estop(permission):
    permission.estop(True)
    permission.stop(STOP)
    assert permission.why_idle().code is Code.ESTOP


def test_what_nobody_takes_is_not_commanded_and_named(permission):
    permission.is_enabled = True
    permission.unheard = "arm/joint_trajectory"
    said = "controller_missing: nobody takes arm/joint_trajectory; is it running?"
    assert str(permission.why_idle()) == said
    permission.unheard = ""
    assert permission.why_idle() is None
