"""`relais`: one module a command, imported when it is called, so that `relais --help` is quick.

A module has either `command`, a function as Typer takes it, or `app`, a Typer of its own where there are sub-commands.
Exit status: 0 done, 1 failed (with one sentence on standard error), 2 wrong use.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS = {
    "up": ("up", "All services on this machine, on an embedded PostgreSQL and Kafka where none is configured."),
    "serve": ("serve", "One service, as deployed."),
    "migrate": ("migrate", "Creates or upgrades every schema, role and topic; safe to run twice, or at once."),
    "import": ("import_", "People and sessions from people.csv, sessions.csv or .ics; safe to run twice."),
    "token": ("token", "An access token of the local issuer, for the API."),
    "tail": ("tail", "Follows events and their effects, as they happen."),
    "explain": ("explain", "One event and everything that it caused."),
    "lag": ("lag", "Backlog and lag per service, topic and partition."),
    "parked": ("parked", "What was set aside: list, show, retry in order, skip with a reason."),
    "replay": ("replay", "Builds a view again beside the live one; shows the differences; switches."),
    "audit": ("audit", "The audit log, its proof, and all of it as JSON lines."),
    "clock": ("clock", "The clock of a sandbox (relais up --sandbox)."),
    "doctor": ("doctor", "Checks settings, servers, topics, clock and rights; says what to do."),
}


class LazyGroup(TyperGroup):
    """Shows the help lines of COMMANDS, and imports a command's module only to run it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in COMMANDS else stub, rest


def _load(name: str) -> Any:
    module_name, help_line = COMMANDS[name]
    module = import_module(f"services.cli.{module_name}")
    loaded = getattr(module, "app", None)
    if loaded is None:
        loaded = typer.Typer(add_completion=False)
        loaded.command(name, help=module.command.__doc__ or help_line)(module.command)
    command = get_command(loaded)
    command.name = name
    return command


app = typer.Typer(
    name="relais",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Relais: the back office that turns what happens to sessions into statements, files and e-mails.",
)


@app.callback()
def relais() -> None:
    """Makes `app` a group of commands."""


for _name, (_, _help) in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
