"""Settings: environment variables ``RELAIS_…``, each described here once; the README's table is made from this file."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SERVICES = ("sessions", "transfers", "billing", "attendance", "notifier", "support")


class Settings(BaseSettings):
    """What a deployment may choose. Empty variables count as not given; unknown ones are passed over."""

    model_config = SettingsConfigDict(env_prefix="RELAIS_", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = Field(
        default=None,
        description="PostgreSQL, as postgresql://user:password@host:port/database. Each service logs in "
        "as its own role, relais_<service>, with the same password unless "
        "RELAIS_DATABASE_ROLE_PASSWORD gives another. Not given: the embedded server.",
    )
    database_role_password: SecretStr | None = Field(
        default=None,
        description="Password of the roles relais_<service>, where it is not the one in RELAIS_DATABASE_URL.",
    )
    database_max_connections: int = Field(
        default=8, ge=2, le=100, description="Most connections that one service process opens."
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers, as host:port,host:port. Not given: the embedded broker."
    )
    kafka_security_protocol: SecurityProtocol = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_sasl_mechanism: SaslMechanism = Field(
        default="SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_sasl_username: str | None = Field(default=None, description="User, where the protocol is SASL_….")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="Password, where the protocol is SASL_….")
    kafka_ssl_cafile: Path | None = Field(
        default=None, description="Certificate authority of the brokers (PEM). Not given: those of the system."
    )
    kafka_ssl_certfile: Path | None = Field(
        default=None, description="Our certificate (PEM), where brokers ask for one."
    )
    kafka_ssl_keyfile: Path | None = Field(default=None, description="Our certificate's key (PEM).")
    kafka_replication_factor: int = Field(
        default=1, ge=1, le=9, description="Replicas of a topic that relais migrate creates."
    )
    kafka_partitions: int = Field(
        default=6, ge=1, le=1000, description="Partitions of a topic that relais migrate creates."
    )
    smtp_url: str | None = Field(
        default=None,
        description="Mail server, as smtp://host:port, smtp+starttls://user:password@host:port or "
        "smtps://user:password@host:port. Not given: the local one of relais up; elsewhere e-mails stay queued.",
    )
    mail_from: str = Field(default="Relais <relais@example.org>", description="Sender of the e-mails.", max_length=320)
    support_email: str = Field(
        default="support@example.org", description="Address of support, for requests for help.", max_length=254
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="OpenID Connect issuer whose access tokens are accepted (https://…), or the file:// URL of "
        "a local issuer's folder. Not given: the local issuer in RELAIS_DATA_DIR.",
    )
    oidc_audience: str = Field(default="relais", description="Audience that an access token must name.")
    oidc_client_id: str = Field(
        default="relais-portal", description="How the OpenID Connect provider knows the portal.", max_length=255
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="The portal's secret at the provider. Not given: a public client, with PKCE alone."
    )
    requests_per_s: float = Field(
        default=500.0, ge=0, description="Most requests a second of one person at each service process; 0: no limit."
    )
    tariff_file: Path | None = Field(
        default=None,
        description="Tariffs (TOML, with dates of validity). Not given: the example figures that come with Relais.",
    )
    timezone: str = Field(
        default="Europe/Paris", description="Time zone in which weeks and months are counted (IANA name)."
    )
    log_format: Literal["json", "text"] = Field(default="json", description="Form of the log lines: json or text.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged."
    )
    host: str = Field(default="127.0.0.1", description="Address that a service listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that a service listens on; 0 takes a free one.")
    data_dir: Path = Field(
        default=Path(".relais"), description="Data folder of relais up: database, broker, mail, local issuer."
    )
    shutdown_timeout_s: float = Field(
        default=20.0,
        gt=0,
        le=300,
        description="Seconds a service may take to finish the work in hand when it is told to stop.",
    )
    sandbox_clock_file: Path | None = Field(
        default=None,
        description="File with the sandbox clock's offset; set by relais up --sandbox, never in a deployment.",
    )
    sessions_url: str = Field(
        default="http://127.0.0.1:8101", description="Where the portal reaches the service sessions."
    )
    transfers_url: str = Field(
        default="http://127.0.0.1:8102", description="Where the portal reaches the service transfers."
    )
    billing_url: str = Field(
        default="http://127.0.0.1:8103", description="Where the portal reaches the service billing."
    )
    attendance_url: str = Field(
        default="http://127.0.0.1:8104", description="Where the portal reaches the service attendance."
    )
    notifier_url: str = Field(
        default="http://127.0.0.1:8105", description="Where the portal reaches the service notifier."
    )
    support_url: str = Field(
        default="http://127.0.0.1:8106", description="Where the portal reaches the service support."
    )
    mail_url: str | None = Field(
        default=None, description="Page of the local mail server, which the portal shows at /mail."
    )
    portal_key: SecretStr | None = Field(
        default=None,
        description="Key of the portal's session cookies: 64 hexadecimal digits, the same for all its replicas. "
        "Not given: one that is kept in RELAIS_DATA_DIR.",
    )
    portal_url: str = Field(default="http://127.0.0.1:8080", description="Address of the portal, as people reach it.")

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no IANA time zone is named {value!r}") from error
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url_is_known(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("smtp", "smtp+starttls", "smtps"):
            raise ValueError("must begin with smtp://, smtp+starttls:// or smtps://")
        return value

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def service_url(self, service: str) -> str:
        """Where ``service`` is reached, without a slash at the end."""
        return str(getattr(self, f"{service}_url")).rstrip("/")

    def database_url_for(self, service: str) -> str:
        """How ``service`` logs in: ``database_url`` with its own role. As it is where that already is one of ours."""
        if self.database_url is None:
            raise ValueError("RELAIS_DATABASE_URL is not set")
        if str(conninfo_to_dict(self.database_url).get("user", "")).startswith("relais_"):
            return self.database_url
        password = self.database_role_password
        if password is None:
            return make_conninfo(self.database_url, user=f"relais_{service}")
        return make_conninfo(self.database_url, user=f"relais_{service}", password=password.get_secret_value())


README = Path(__file__).resolve().parents[2] / "README.md"
TABLE_BEGIN, TABLE_END = "<!-- settings: python -m services.chassis.settings -->\n", "<!-- /settings -->"


def settings_table() -> str:
    """The README's table of all settings, with their defaults."""
    rows = ["| variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `RELAIS_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def readme_with_table(text: str) -> str:
    """``text`` with the table between its two marks written anew. ValueError where a mark is missing."""
    head, begin, rest = text.partition(TABLE_BEGIN)
    _, end, tail = rest.partition(TABLE_END)
    if not begin or not end:
        raise ValueError("README.md has lost the marks around its table of settings")
    return head + begin + settings_table() + end + tail


if __name__ == "__main__":
    README.write_text(readme_with_table(README.read_text()))
