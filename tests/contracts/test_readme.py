"""What the README tells another team to write works, on a real broker."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

from aiokafka import AIOKafkaProducer

from deploy.local import Stack
from relais_contracts import CloudEvent
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.settings import Settings

SCHEMAS = Path(__file__).parents[2] / "schemas"
CANCELLED = SCHEMAS / "examples" / "relais.sessions.SessionCancelled.v1.json"
PATIENCE_S = 60


async def publish(kafka: KafkaConnection, event: CloudEvent) -> None:
    await ensure_topics(kafka)
    key, value, headers = event.to_record()
    newer = [("ce_type", b"relais.sessions.SessionDreamt.v9")]
    async with AIOKafkaProducer(**kafka.client_options()) as producer:
        await producer.send_and_wait("relais.sessions", b"{}", key, headers=newer)
        await producer.send_and_wait("relais.sessions", value, key, headers=headers)


def test_the_example_prints_a_cancelled_session_and_passes_over_a_type_that_it_does_not_know(
    stack: Stack, tmp_path: Path
) -> None:
    golden = json.loads(CANCELLED.read_text(encoding="utf-8"))
    event = CloudEvent.from_record(
        golden["key"].encode(),
        json.dumps(golden["value"]).encode(),
        [(name, text.encode()) for name, text in golden["headers"].items()],
    )
    kafka = KafkaConnection(Settings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers))
    asyncio.run(publish(kafka, event))

    block = re.search(r"```python\n(.*?)```", (SCHEMAS / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None
    program = tmp_path / "subscriber.py"
    program.write_text(block[1].replace("127.0.0.1:9092", stack.kafka_bootstrap_servers), encoding="utf-8")
    expected = f"a session of {golden['key']} was cancelled: other"
    command = [sys.executable, "-u", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as subscriber:
        patience = threading.Timer(PATIENCE_S, subscriber.kill)
        patience.start()
        assert subscriber.stdout is not None
        printed = next((line for line in subscriber.stdout if expected in line), "")
        patience.cancel()
        subscriber.kill()
    assert printed.startswith("2026-11-19 17:21:40")
