"""How long a client waits that was wrong too often; the clock is the test's."""

import pytest

from streamproxy.access.throttle import Throttle
from streamproxy.errors import TooManyAttempts


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def wait_of(throttle: Throttle, client: str = "a") -> int:
    """Return the seconds that a client is told to wait; 0: none."""
    try:
        throttle.check(client)
    except TooManyAttempts as exc:
        return int(exc.fields["Retry-After"])
    return 0


def test_a_person_may_mistype_four_times(throttle: Throttle) -> None:
    for _ in range(4):
        throttle.failed("a")

    assert wait_of(throttle) == 0


def test_wait_doubles_with_each_failure_up_to_five_minutes(
    throttle: Throttle, clock: Clock
) -> None:
    for _ in range(5):
        throttle.failed("a")
    waits = []
    for _ in range(12):
        waits.append(wait_of(throttle))
        clock.now += waits[-1]
        assert wait_of(throttle) == 0
        throttle.failed("a")

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_guesses_of_a_day_are_few(throttle: Throttle, clock: Clock) -> None:
    begin, guesses = clock.now, 0
    while clock.now < begin + 86400:
        clock.now += wait_of(throttle) or 0
        throttle.failed("a")
        guesses += 1

    assert guesses < 310


def test_one_client_does_not_slow_another(throttle: Throttle) -> None:
    for _ in range(10):
        throttle.failed("a")

    assert wait_of(throttle, "b") == 0


def test_failure_that_was_none_is_taken_back_and_the_others_stay(throttle: Throttle) -> None:
    for _ in range(4):
        throttle.failed("a")
    throttle.failed("a")
    throttle.take_back("a")
    assert wait_of(throttle) == 0
    throttle.failed("a")
    assert wait_of(throttle) == 1

    throttle.failed("b")
    throttle.take_back("b")
    assert "b" not in throttle._failures


def test_an_hour_forgets_the_failures(throttle: Throttle, clock: Clock) -> None:
    for _ in range(20):
        throttle.failed("a")
    clock.now += 3601
    throttle.failed("a")

    assert wait_of(throttle) == 0


def test_memory_is_bounded(throttle: Throttle) -> None:
    for number in range(30_000):
        throttle.failed(str(number))

    assert len(throttle._failures) == 10_000
