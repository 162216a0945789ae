"""Settings: read from the environment, each described, wrong ones refused by name."""

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from services.chassis.settings import SERVICES, Settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("RELAIS_")]:
        monkeypatch.delenv(name)


def test_they_come_from_the_environment_and_empty_ones_count_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAIS_TIMEZONE", "America/Martinique")
    monkeypatch.setenv("RELAIS_SMTP_URL", "")
    monkeypatch.setenv("RELAIS_NO_SUCH_SETTING", "1")
    settings = Settings()
    assert settings.zone().key == "America/Martinique"
    assert settings.smtp_url is None


def test_each_one_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    ("name", "value"),
    [("timezone", "Europe/Nowhere"), ("smtp_url", "http://mail"), ("port", "70000"), ("log_format", "xml")],
)
def test_a_wrong_one_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RELAIS_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(
        Settings.model_validate({"kafka_sasl_password": "hush", "database_role_password": "hush"})
    )


@pytest.mark.parametrize(
    "url",
    ["postgresql://admin:p%40ss@db:5432/relais?sslmode=require", "postgresql:///relais?host=/run/x", "dbname=relais"],
)
def test_each_service_logs_in_as_its_own_role(url: str) -> None:
    before = conninfo_to_dict(url)
    for service in SERVICES:
        own = conninfo_to_dict(Settings(database_url=url).database_url_for(service))
        assert own == before | {"user": f"relais_{service}"}


def test_roles_may_have_a_password_of_their_own_and_a_role_of_ours_stays() -> None:
    settings = Settings.model_validate(
        {"database_url": "postgresql://admin:a@db/relais", "database_role_password": "b"}
    )
    assert conninfo_to_dict(settings.database_url_for("billing"))["password"] == "b"
    own = "postgresql://relais_billing:c@db/relais"
    assert Settings(database_url=own).database_url_for("billing") == own
