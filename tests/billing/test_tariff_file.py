"""The tariff file: the example can be used, and one that is not whole is refused with the place of the fault."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.billing.domain.tariff import Outcome
from services.billing.edges.tariff_file import EXAMPLE, TariffError, read_tariff

WHOLE = """
currency = "EUR"
default_level = 1
[level_by_path]
"data-analyst" = 2
[[versions]]
name = "v1"
valid_from = 2026-01-01
[versions.rate_cents]
1 = 3000
2 = 3500
[versions.share_percent]
held = { 1 = 100, 2 = 100 }
student_early = { 1 = 0, 2 = 0 }
student_late = { 1 = 50, 2 = 50 }
student_no_show = { 1 = 50, 2 = 50 }
other = { 1 = 0, 2 = 10 }
"""


def refusal_of(tmp_path: Path, text: str) -> str:
    file = tmp_path / "tariff.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TariffError) as refusal:
        read_tariff(file)
    assert str(file) in str(refusal.value)
    return str(refusal.value)


def test_without_a_file_the_example_is_used_and_says_what_it_is() -> None:
    assert read_tariff(None).currency == "EUR"
    assert EXAMPLE.read_text(encoding="utf-8").startswith("# EXAMPLE FIGURES")


def test_the_example_prices_the_earliest_session_that_relais_takes_wherever_midnight_is() -> None:
    earliest = datetime(2000, 1, 1, tzinfo=UTC).astimezone(ZoneInfo("Pacific/Honolulu")).date()
    assert read_tariff(None).price(Outcome.HELD, None, earliest).amount_cents > 0


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "tariff.toml"
    file.write_text(WHOLE, encoding="utf-8")
    tariff = read_tariff(file)
    price = tariff.price(Outcome.OTHER, "data-analyst", date(2026, 1, 1))
    assert (price.level, price.rate_cents, price.share_percent, price.amount_cents) == (2, 3500, 10, 350)
    assert (price.rate_version, tariff.default_level) == ("v1", 1)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TariffError, match="can't be read"):
        read_tariff(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("written", "instead", "finding"),
    [
        ('currency = "EUR"', "currency = ", "is not TOML"),
        ('currency = "EUR"', 'currency = "euro"', "currency"),
        ('currency = "EUR"', "", "currency: Field required"),
        ("default_level = 1", "default_level = 4", "default_level"),
        ("default_level = 1", "default_level = 3", "no rate for every level in use"),
        ("1 = 3000", "1 = 30.5", "versions.0.rate_cents.1"),
        ("1 = 3000", "1 = -1", "versions.0.rate_cents.1"),
        ("held = { 1 = 100, 2 = 100 }", "held = { 1 = 101, 2 = 100 }", "versions.0.share_percent.held.1"),
        ("held = { 1 = 100, 2 = 100 }", "held = { 1 = 100 }", "the same levels as rate_cents"),
        ("held = { 1 = 100, 2 = 100 }", "", "says nothing of held"),
        ("held = {", "attended = {", "attended"),
        ("valid_from = 2026-01-01", 'valid_from = "soon"', "versions.0.valid_from"),
        ('name = "v1"', 'name = "v1"\ncolour = "blue"', "versions.0.colour"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, written: str, instead: str, finding: str) -> None:
    assert finding in refusal_of(tmp_path, WHOLE.replace(written, instead, 1))


@pytest.mark.parametrize(
    ("told_apart", "instead", "finding"),
    [("2026-01-01", "2027-01-01", "the same name"), ('"v1"', '"v2"', "the same valid_from")],
)
def test_two_versions_that_can_not_be_told_apart_are_refused(
    tmp_path: Path, told_apart: str, instead: str, finding: str
) -> None:
    second = WHOLE[WHOLE.index("[[versions]]") :].replace(told_apart, instead)
    assert f"two versions have {finding}" in refusal_of(tmp_path, WHOLE + second)
