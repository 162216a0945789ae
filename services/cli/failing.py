"""How a command ends badly: one sentence on standard error, and the exit status."""

from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from services.chassis.settings import Settings

FAILED = 1
WRONG_USE = 2


def fail(sentence: str, status: int = FAILED) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(status)


def settings_or_fail(**given: Any) -> Settings:
    """The settings, with what the command line gives; wrong use where a variable cannot be understood."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = [f"RELAIS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        fail("; ".join(problems), WRONG_USE)
