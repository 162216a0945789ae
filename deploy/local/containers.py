"""The same two servers in containers, where a Docker engine answers: `RELAIS_TEST_STACK=containers` for the tests."""

from dataclasses import dataclass
from typing import Any, Self

from deploy.local.errors import StackError

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"


@dataclass(frozen=True, slots=True)
class ContainerStack:
    """What tests use of a `Stack`: two addresses, and `stop()`."""

    database_url: str
    kafka_bootstrap_servers: str
    containers: tuple[Any, ...]

    @classmethod
    def start(cls) -> Self:
        """Raises StackError where no Docker engine answers."""
        from testcontainers.kafka import KafkaContainer
        from testcontainers.postgres import PostgresContainer

        try:
            postgres = PostgresContainer(POSTGRES_IMAGE, dbname="relais").start()
            kafka = KafkaContainer(KAFKA_IMAGE).with_kraft().start()
        except Exception as error:  # Docker's own, and those of the network below it.
            raise StackError(f"No Docker engine answers: {error}. Unset RELAIS_TEST_STACK.") from error
        return cls(postgres.get_connection_url(driver=None), kafka.get_bootstrap_server(), (postgres, kafka))

    def stop(self) -> None:
        for container in self.containers:
            container.stop()
