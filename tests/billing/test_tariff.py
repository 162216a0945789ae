"""What a session is worth: by the version valid on its day, its level, and what became of it."""

from datetime import date, timedelta

import pytest

from services.billing.domain.tariff import NoTariff, Outcome, Price, share_of
from tests.billing.figures import CHANGE_DAY, TARIFF

DAY = timedelta(days=1)


def test_a_version_holds_from_its_first_day_on() -> None:
    assert TARIFF.version_on(CHANGE_DAY).name == "winter"
    assert TARIFF.version_on(CHANGE_DAY - DAY).name == "summer"


def test_before_the_first_version_there_is_no_price() -> None:
    assert TARIFF.version_on(date(2026, 4, 1)).name == "summer"
    with pytest.raises(NoTariff, match="2026-03-31"):
        TARIFF.version_on(date(2026, 3, 31))


@pytest.mark.parametrize(
    ("path", "level"),
    [("web-developer", 1), ("python-developer", 2), ("data-engineer", 3), ("gardener", 1), (None, 1)],
)
def test_the_level_follows_the_path_and_an_unlisted_path_has_the_default(path: str | None, level: int) -> None:
    assert TARIFF.price(Outcome.HELD, path, CHANGE_DAY).level == level


@pytest.mark.rule("S8")
@pytest.mark.parametrize(
    ("outcome", "share_percent", "amount_cents"),
    [
        (Outcome.HELD, 100, 4000),
        (Outcome.STUDENT_EARLY, 0, 0),
        (Outcome.STUDENT_LATE, 60, 2400),
        (Outcome.STUDENT_NO_SHOW, 60, 2400),
        (Outcome.OTHER, 10, 400),
    ],
)
def test_each_reason_has_its_share_of_the_rate(outcome: Outcome, share_percent: int, amount_cents: int) -> None:
    assert TARIFF.price(outcome, "data-engineer", CHANGE_DAY) == Price(
        level=3, rate_cents=4000, share_percent=share_percent, amount_cents=amount_cents, rate_version="winter"
    )


def test_half_a_cent_is_rounded_up_and_less_is_not() -> None:
    assert share_of(2001, 50) == 1001
    assert share_of(2049, 1) == 20
    assert share_of(2050, 1) == 21
    assert share_of(2001, 100) == 2001
    assert share_of(2001, 0) == 0
