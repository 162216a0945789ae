"""`relais serve SERVICE`: one service, as deployed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Literal, cast, get_args

import typer

from services.chassis.settings import Settings
from services.cli.failing import WRONG_USE, fail, settings_or_fail

ServiceName = Literal["sessions", "transfers", "billing", "attendance", "notifier", "support", "portal"]
Only = Literal["api", "relay", "consumer"]


def command(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="|".join(get_args(ServiceName)))],
    only: Annotated[str | None, typer.Option(help="api, relay or consumer: that part of it alone.")] = None,
) -> None:
    """Runs one service until SIGTERM or Ctrl-C, which finish the work in hand.

    It listens at RELAIS_HOST and RELAIS_PORT. `relais migrate` must have run before.
    """
    if service not in get_args(ServiceName):
        fail(f"There is no service {service!r}; services are {', '.join(get_args(ServiceName))}.", WRONG_USE)
    if only is not None and only not in get_args(Only):
        fail(f"--only is one of {', '.join(get_args(Only))}.", WRONG_USE)
    settings = settings_or_fail()
    if settings.sandbox_clock_file is not None:
        fail("A clock that can be moved is only for relais up --sandbox: unset RELAIS_SANDBOX_CLOCK_FILE.", WRONG_USE)
    if service != "portal":
        for name in ("database_url", "kafka_bootstrap_servers"):
            if getattr(settings, name) is None:
                fail(f"Set RELAIS_{name.upper()}: a service that runs alone has no embedded servers.", WRONG_USE)
    run(service, settings, cast(Only | None, only))


def run(service: str, settings: Settings, only: Only | None = None) -> None:
    """Builds the service from its own main.py and runs it in this process."""
    from services.chassis.service import run_service

    run_service(import_module(module_of(service)).build(settings), settings, only)


def module_of(service: str) -> str:
    """The module that builds the service; the local mail server, which is no service, has its own place."""
    return "deploy.local.mail" if service == "mail" else f"services.{service}.main"


def exists(service: str) -> bool:
    try:
        return find_spec(module_of(service)) is not None
    except ModuleNotFoundError:
        return False
