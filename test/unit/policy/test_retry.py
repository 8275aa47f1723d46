from __future__ import annotations

from pi0_ros.policy.retry import GrowingPause

MS = 1_000_000


def lasted_ms(pause: GrowingPause, begun_ms: int) -> int:
    """Begin a pause and return after how many milliseconds it is over."""
    pause.begin(begun_ms * MS)
    return next(ms for ms in range(10_000) if not pause.lasts((begun_ms + ms) * MS))


def test_pauses_double_from_a_tenth_of_a_second_to_two_seconds() -> None:
    pause = GrowingPause()
    assert not pause.lasts(0)
    assert [lasted_ms(pause, 5000) for _ in range(7)] == [100, 200, 400, 800, 1600, 2000, 2000]


def test_a_success_makes_the_next_pause_short_again() -> None:
    pause = GrowingPause()
    for _ in range(5):
        pause.begin(0)
    pause.end()
    assert not pause.lasts(0)
    assert lasted_ms(pause, 0) == 100


def test_a_clock_that_jumps_ends_a_pause() -> None:
    pause = GrowingPause()
    pause.begin(5000 * MS)
    assert pause.lasts(5050 * MS)
    assert not pause.lasts(4000 * MS)
    assert not pause.lasts(9000 * MS)
