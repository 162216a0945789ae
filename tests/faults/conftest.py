"""What the fault tests share: how long, from which seed, and the table that they fill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import start_relais
from tests.faults.members import Crew
from tests.faults.proxy import ProxyHouse, proxies
from tests.faults.stream import UP, Stream
from tests.faults.table import RESULTS, Results, seed_of


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runs", type=int, default=None, help="runs of each fault (default: the short form, a few)")
    parser.addoption("--commands", type=int, default=80, help="commands in each stream (default: 80, the short form)")
    parser.addoption("--away-s", type=float, default=3.0, help="how long the broker is away (default: 3, short form)")
    parser.addoption(
        "--backlog", type=int, default=None, help="events that wait, or are in a view (default: some thousands)"
    )
    parser.addoption("--seed", type=int, default=None, help="replays the run that printed this seed")
    parser.addoption("--results", type=Path, default=None, help="keeps the table in this file")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = Results()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves what is marked ``long`` to the long form."""
    if config.getoption("--runs", default=None) is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = config.stash[RESULTS]
    if not results.lines:
        return
    terminalreporter.write_line(f"\n{results.table()}")
    path = config.getoption("--results", default=None)
    if path is not None:
        results.keep(path)


@pytest.fixture
def results(pytestconfig: pytest.Config) -> Results:
    """Where a test puts its line."""
    return pytestconfig.stash[RESULTS]


@pytest.fixture(scope="session")
def runs(pytestconfig: pytest.Config) -> int | None:
    """How many runs of each fault were asked for; None for the short form."""
    given: int | None = pytestconfig.getoption("--runs", default=None)
    return given


@pytest.fixture
def command_count(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--commands", default=80))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """Where chance comes from; printed, so that a failure can be replayed. Run n goes by ``seed + n``."""
    return seed_of(pytestconfig)


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    """Commands for one whole `relais up`, which is harmed by many tests and lives on."""
    commands = Stream(start_relais(tmp_path_factory.mktemp("up"), *UP))
    commands.prepare()
    yield commands
    commands.relais.stop()


@pytest.fixture(scope="session")
def house() -> Iterator[ProxyHouse]:
    with proxies() as opened:
        yield opened


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """Members are started by it; whoever is left at the end of the session is killed."""
    gathered = Crew()
    yield gathered
    gathered.dismiss()
