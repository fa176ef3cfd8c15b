"""Retries while a server refuses connections or loads its model."""

import asyncio
from collections.abc import Iterator

import pytest

from selfcritic.agent.models.errors import ModelCallError
from selfcritic.agent.sampling import retry
from selfcritic.agent.sampling.retry import call_with_retries
from selfcritic.agent.schemas import Retries

REFUSED = ModelCallError("Connection refused.", "connection_refused", address="http://h:1/v1")
LOADING = ModelCallError("Loading model.", "loading", status_code=503, address="http://h:1/v1")
LOST = ModelCallError("Connection error.", "connection", address="http://h:1/v1")
BUSY = ModelCallError("Busy.", "server", status_code=503, address="http://h:1/v1")


class Clock:
    """Time that passes only in sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)  # lets other requests run


@pytest.fixture(autouse=True)
def forget_outages() -> Iterator[None]:
    retry._outages.clear()
    yield
    retry._outages.clear()


async def request(clock: Clock, errors: Iterator[Exception], retries: Retries) -> int:
    """Return the number of attempts after which a request succeeds."""
    count = 0

    async def send() -> None:
        nonlocal count
        count += 1
        error = next(errors, None)
        if error is not None:
            raise error

    await call_with_retries(send, retries, clock.sleep, clock)
    return count


def repeat(error: Exception) -> Iterator[Exception]:
    while True:
        yield error


@pytest.mark.parametrize("error", [REFUSED, LOADING])
def test_waits_for_a_server_that_starts(error: Exception):
    clock = Clock()
    assert asyncio.run(request(clock, iter([error] * 12), Retries())) == 13
    assert 30 < clock.now - 1000 < 60


@pytest.mark.parametrize("error", [REFUSED, LOADING])
@pytest.mark.parametrize("seconds", [10, 60])
def test_gives_up_after_startup_seconds(error: Exception, seconds: float):
    clock = Clock()
    with pytest.raises(ModelCallError):
        asyncio.run(request(clock, repeat(error), Retries(startup_seconds=seconds)))
    assert seconds - 6 < clock.now - 1000 <= seconds


@pytest.mark.parametrize("retries", [Retries(startup_seconds=0), Retries(startup_seconds=0.1)])
def test_uses_at_least_the_normal_tries(retries: Retries):
    clock = Clock()
    errors = iter([REFUSED] * 3)
    assert asyncio.run(request(clock, errors, retries)) == 4
    with pytest.raises(ModelCallError):
        asyncio.run(request(clock, iter([REFUSED] * 4), retries))


def test_does_not_wait_with_one_try():
    clock = Clock()
    with pytest.raises(ModelCallError):
        asyncio.run(request(clock, repeat(REFUSED), Retries(tries=1)))
    assert clock.now == 1000


@pytest.mark.parametrize("error", [LOST, BUSY])
def test_other_errors_have_only_the_normal_tries(error: Exception):
    clock = Clock()
    errors = iter([REFUSED] * 6 + [LOADING] * 3 + [error] * 3)
    assert asyncio.run(request(clock, errors, Retries())) == 13
    with pytest.raises(ModelCallError):
        asyncio.run(request(clock, iter([REFUSED] * 6 + [error] * 4), Retries()))


def test_does_not_spin_without_waits():
    clock = Clock()
    retries = Retries(first_wait=0, max_wait=0, startup_seconds=10)
    assert asyncio.run(request(clock, iter([REFUSED] * 8), retries)) == 9
    assert clock.now - 1000 >= 8 * 0.25


def test_later_requests_to_a_dead_server_fail_fast():
    clock = Clock()
    with pytest.raises(ModelCallError):
        asyncio.run(request(clock, repeat(REFUSED), Retries()))
    before = clock.now
    with pytest.raises(ModelCallError):
        asyncio.run(request(clock, repeat(REFUSED), Retries()))
    assert clock.now - before < 10


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_warns_once_per_outage(caplog):
    clock = Clock()

    async def send_all() -> None:
        requests = [request(clock, iter([REFUSED] * 3), Retries()) for _ in range(8)]
        await asyncio.gather(*requests)

    asyncio.run(send_all())
    message = "Waiting for http://h:1/v1 for up to 60 seconds: Connection refused."
    assert warnings_in(caplog) == [message]
    asyncio.run(request(clock, iter([LOADING]), Retries()))
    assert warnings_in(caplog)[1] == (
        "Waiting for http://h:1/v1 for up to 60 seconds: Loading model."
    )


def test_does_not_warn_about_other_errors(caplog):
    asyncio.run(request(Clock(), iter([LOST, BUSY]), Retries()))
    assert warnings_in(caplog) == []
