import pytest

from tests.conftest import RunningRelais
from tests.journeys.school import School


@pytest.fixture
def school(relais: RunningRelais) -> School:
    return School(relais)
