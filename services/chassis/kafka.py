"""Kafka, as every service uses it: one description of the brokers, from which all clients are made."""

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from relais_contracts import TOPICS
from services.chassis.settings import Settings

REQUEST_TIMEOUT_MS = 10_000
RETRY_BACKOFF_MS = 200
SAME_MESSAGE_EVERY_S = 30.0
TOPICS_DEADLINE_S = 60.0

TOPIC_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # Events are kept for ever: any view can be rebuilt from offset 0.
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
}


class _Sparingly(logging.Filter):
    """Lets each kind of message through now and then: while brokers are away aiokafka writes dozens a second."""

    def __init__(self) -> None:
        super().__init__()
        self._let_through_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._let_through_at.get(str(record.msg), -SAME_MESSAGE_EVERY_S) < SAME_MESSAGE_EVERY_S:
            return False
        self._let_through_at[str(record.msg)] = now
        return True


for _name in (
    "aiokafka",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
    "aiokafka.conn",
):
    logging.getLogger(_name).addFilter(_Sparingly())


class KafkaConnection:
    """Where the brokers are and how to log in. Makes no connection by itself."""

    def __init__(self, settings: Settings) -> None:
        if settings.kafka_bootstrap_servers is None:
            raise ValueError("RELAIS_KAFKA_BOOTSTRAP_SERVERS is not set")
        self.bootstrap_servers: list[str] = [
            server.strip() for server in settings.kafka_bootstrap_servers.split(",") if server.strip()
        ]
        self.partitions = settings.kafka_partitions
        self.replication_factor = settings.kafka_replication_factor
        self._settings = settings

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for aiokafka's producer, consumer and admin client."""
        settings = self._settings
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": settings.kafka_security_protocol,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": RETRY_BACKOFF_MS,
        }
        if settings.kafka_security_protocol.endswith("SSL"):
            options["ssl_context"] = self._ssl_context()
        if settings.kafka_security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = settings.kafka_sasl_mechanism
            options["sasl_plain_username"] = settings.kafka_sasl_username
            options["sasl_plain_password"] = self._password()
        return options

    def _password(self) -> str | None:
        secret = self._settings.kafka_sasl_password
        return secret.get_secret_value() if secret else None

    def _ssl_context(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile is not None:
            context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
        return context


async def ensure_topics(kafka: KafkaConnection, topics: Sequence[str] = TOPICS) -> list[str]:
    """Creates those of ``topics`` that are missing, and gives their names. Safe to run from several places at once.

    Raises ``KafkaError`` where the brokers refuse, ``TimeoutError`` where they stay away.
    """
    async with asyncio.timeout(TOPICS_DEADLINE_S):
        admin = AIOKafkaAdminClient(**kafka.client_options())
        try:
            await admin.start()
            missing = sorted(set(topics) - set(await admin.list_topics()))
            if not missing:
                return []
            in_sync = str(max(1, kafka.replication_factor - 1))
            response = await admin.create_topics(
                [
                    NewTopic(
                        name,
                        num_partitions=kafka.partitions,
                        replication_factor=kafka.replication_factor,
                        topic_configs=TOPIC_CONFIG | {"min.insync.replicas": in_sync},
                    )
                    for name in missing
                ]
            )
            for name, code, *detail in response.topic_errors:
                error: type[KafkaError] = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name}: {detail[0] if detail else error.__name__}")
            return missing
        finally:
            await admin.close()
