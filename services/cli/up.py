"""`relais up`: all of Relais on this machine."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import DataFolder, Stack, StackError
from deploy.local.ports import HOST, ensure_free, free_ports
from services.chassis.settings import Settings
from services.cli import serve
from services.cli.failing import fail, settings_or_fail
from services.cli.supervise import Failed, Service, Stopped, Supervisor, write_atomically

# The order in which they are forked; the mail server first, since the notifier looks for it.
SERVICES = ("mail", "sessions", "transfers", "billing", "attendance", "notifier", "support", "portal")
STATE_FILE = "relais.json"
# Says that the first start was completed, with or without a demonstration school.
FIRST_START_DONE = "first-start-done"


def command(
    port: Annotated[int | None, typer.Option(help="Where the portal answers.", show_default="8080")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="All data, and relais.json.", show_default=".relais")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Without the demonstration school.")] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="With a clock that can be moved.")] = False,
) -> None:
    """Runs all services on this machine, with a demonstration school at the first start.

    RELAIS_DATABASE_URL, RELAIS_KAFKA_BOOTSTRAP_SERVERS and RELAIS_SMTP_URL name servers to use instead of the embedded
    ones. Ctrl-C stops everything; the data stay in the data folder.
    """
    settings = settings_or_fail(port=port, data_dir=data_dir)
    own = {"data_dir": settings.data_dir.expanduser().absolute(), "port": settings.port or free_ports(1)[0]}
    settings = settings.model_copy(update=own)
    try:
        ensure_free(settings.port)
        folder = DataFolder(settings.data_dir).acquire()
        state = folder.path / STATE_FILE
        state.unlink(missing_ok=True)
        with Supervisor(folder, stop_timeout_s=settings.shutdown_timeout_s + 2, say=_say) as supervisor:
            try:
                _run(supervisor, folder, settings, empty=empty, sandbox=sandbox)
            finally:
                state.unlink(missing_ok=True)
    except Stopped:
        _say("Stopped before it was ready.")
    except (StackError, Failed) as error:
        fail(str(error))


def _run(supervisor: Supervisor, folder: DataFolder, settings: Settings, *, empty: bool, sandbox: bool) -> None:
    stack = _launch_stack(folder, settings)
    if stack:
        supervisor.adopt(stack)
    settings = _complete(settings, stack, sandbox=sandbox)
    _import_services()  # While the servers are starting.
    supervisor.wait_for_stack()
    supervisor.run_once("migrate", lambda: _migrate(settings), failure="The databases could not be prepared.")
    services = _services(settings)
    supervisor.start(services)
    supervisor.wait_until_ready()
    url = f"http://{HOST}:{settings.port}"
    done = folder.path / FIRST_START_DONE
    if not done.exists():
        if not empty:
            _say("Importing a demonstration school: 12 mentors, 150 students, eight weeks…")
            supervisor.run_once(
                "demo", lambda: _load_demonstration(settings, url), failure="The demonstration school was not imported."
            )
        done.touch()

    def write_state(processes: Mapping[str, int]) -> None:
        state = {
            "url": url,
            "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
            "database_url": settings.database_url,
            "smtp_url": settings.smtp_url,
            "services": {service.name: f"http://{HOST}:{service.port}" for service in services},
            "processes": processes,
        }
        write_atomically(folder.path / STATE_FILE, state)

    memory_mb = supervisor.memory_bytes() / 2**20
    write_state(supervisor.processes)
    _say(f"Relais is ready: {url}\nMemory in use: {memory_mb:.0f} MB by all processes together. Ctrl-C stops them.")
    supervisor.keep_running(write_state)
    _say("Stopping…")


def _launch_stack(folder: DataFolder, settings: Settings) -> Stack | None:
    """The embedded servers for what is not configured."""
    postgres, kafka = settings.database_url is None, settings.kafka_bootstrap_servers is None
    if not postgres and not kafka:
        return None
    _say(f"Starting {' and '.join(name for name, own in (('PostgreSQL', postgres), ('Kafka', kafka)) if own)}…")
    return Stack.launch(folder, postgres=postgres, brokers=int(kafka), say=_say)


def _complete(settings: Settings, stack: Stack | None, *, sandbox: bool) -> Settings:
    """The settings with everything that `relais up` decides itself."""
    ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True)) | {"portal": settings.port}
    own: dict[str, object] = {f"{name}_url": f"http://{HOST}:{port}" for name, port in ports.items()}
    if "portal_url" not in settings.model_fields_set:
        own["portal_url"] = f"http://{HOST}:{settings.port}"
    if stack and stack.postgres:
        own["database_url"] = stack.database_url
    if stack and stack.kafka:
        own["kafka_bootstrap_servers"] = stack.kafka_bootstrap_servers
    if settings.smtp_url is None:
        own["smtp_url"] = f"smtp://{HOST}:{free_ports(1)[0]}"
    else:
        own["mail_url"] = None
    own["sandbox_clock_file"] = settings.data_dir / "sandbox-clock.json" if sandbox else None
    return settings.model_copy(update=own)


def _services(settings: Settings) -> list[Service]:
    from services.chassis.auth import LocalIssuer

    if settings.oidc_issuer is None:
        LocalIssuer(settings.data_dir / "issuer")  # Makes the key, once, before several processes look for it.
    services = []
    for name in SERVICES:
        if name == "mail" and settings.mail_url is None:
            continue  # A mail server of the user's own is configured.
        port = int(settings.service_url(name).rpartition(":")[2])
        own = settings.model_copy(update={"host": HOST, "port": port})
        services.append(Service(name=name, run=_runner(name, own), port=port))
    return services


def _runner(name: str, settings: Settings) -> Callable[[], None]:
    return lambda: serve.run(name, settings)


def _import_services() -> None:

    for name in SERVICES:
        import_module(serve.module_of(name))


def _migrate(settings: Settings) -> None:
    from services.chassis.migrate import migrate

    migrate(settings)


def _load_demonstration(settings: Settings, url: str) -> None:
    from services.cli import demo
    from services.cli.importing.sending import NotSent

    try:
        demo.load(settings, url)
    except NotSent as refusal:
        sys.exit(str(refusal))


def _say(sentence: str) -> None:
    with suppress(OSError):  # Nobody reads any more.
        print(sentence, flush=True)
