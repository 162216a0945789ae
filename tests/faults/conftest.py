import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runs", type=int, default=1, help="rounds of each fault (default: 1, the short form)")
    parser.addoption("--commands", type=int, default=200, help="commands in each stream (default: 200, the short form)")
    parser.addoption("--seed", type=int, default=None, help="replays the run that printed this seed")


@pytest.fixture
def runs(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--runs", default=1))


@pytest.fixture
def command_count(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--commands", default=200))


@pytest.fixture
def choice(pytestconfig: pytest.Config) -> random.Random:
    """Where chance comes from; its seed is printed, so that a failure can be replayed."""
    seed = pytestconfig.getoption("--seed", default=None)
    seed = random.SystemRandom().randrange(2**32) if seed is None else int(seed)
    print(f"\nseed {seed}")
    return random.Random(seed)
