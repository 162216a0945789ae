"""`relais migrate`: every schema, role and topic."""

import json as json_module
from typing import Annotated

import typer

from services.cli.failing import WRONG_USE, fail, settings_or_fail


def command(json: Annotated[bool, typer.Option("--json", help="The applied migrations as JSON.")] = False) -> None:
    """Creates or upgrades every schema, role and topic; safe to run twice, and from several places at once.

    RELAIS_DATABASE_URL must name a user that may create roles. `relais up` does this by itself.
    """
    settings = settings_or_fail()
    for name in ("database_url", "kafka_bootstrap_servers"):
        if getattr(settings, name) is None:
            fail(f"Set RELAIS_{name.upper()} to the server to migrate.", WRONG_USE)
    import psycopg
    from aiokafka.errors import KafkaError

    from services.chassis.migrate import MigrationError, migrate

    try:
        applied = migrate(settings)
    except (MigrationError, psycopg.Error, KafkaError, OSError) as error:
        fail(f"Nothing more was migrated: {error}")
    if json:
        typer.echo(json_module.dumps({"applied": applied}))
    elif applied:
        typer.echo("\n".join(applied))
    else:
        typer.echo("All schemas, roles and topics are already as they should be.")
