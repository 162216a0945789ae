"""The embedded stack: real PostgreSQL and real Apache Kafka as child processes of this one.

`relais up` and the tests stand on it where no other servers are configured. A machine needs Python and nothing else.
"""

from deploy.local.errors import StackError
from deploy.local.folder import DataFolder
from deploy.local.kafka import KafkaBroker, KafkaCluster
from deploy.local.postgres import PostgresServer
from deploy.local.stack import Stack

__all__ = ["DataFolder", "KafkaBroker", "KafkaCluster", "PostgresServer", "Stack", "StackError"]
