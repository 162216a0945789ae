"""The embedded stack: starts, stops, survives crashes, leaves nothing behind, says in one sentence what is wrong."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local import DataFolder, Stack, StackError
from deploy.local.installation import installed
from deploy.local.jars import Jar, cache_folder, listed, verified
from deploy.local.kafka import KafkaBroker, Node
from deploy.local.ports import ensure_free
from deploy.local.processes import Watchdog

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stack]:
    """A stack that the test may break."""
    stack = Stack.start(tmp_path / "own", fast=True)
    yield stack
    stack.stop()


def write_row(stack: Stack) -> None:
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'été' AS word")


def read_row(stack: Stack) -> str:
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT word FROM kept").fetchone()
    assert row is not None
    return str(row[0])


def create_topic(stack: Stack, *, copies: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers})
    for created in admin.create_topics([NewTopic("kept", 1, copies)]).values():
        created.result(TIMEOUT_S)


def write_record(stack: Stack, value: bytes = b"a record") -> None:
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap_servers, "acks": "all"})
    producer.produce("kept", value)
    assert producer.flush(TIMEOUT_S) == 0


def read_records(stack: Stack, count: int = 1) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["kept"])
    found: list[bytes] = []
    deadline = time.monotonic() + TIMEOUT_S
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            found.append(message.value() or b"")
    consumer.close()
    return found


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while remaining := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"still running: {remaining}"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_owner(data_dir: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    command = [sys.executable, "-m", "tests.stack.owner", str(data_dir)]
    owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    return owner, json.loads(owner.stdout.readline())


def test_data_is_there_at_the_next_start(tmp_path: Path) -> None:
    first = Stack.start(tmp_path)
    write_row(first)
    create_topic(first)
    write_record(first)
    pids = [first.watchdog_pid, *first.processes.values()]
    first.stop()
    wait_until_gone(*pids)

    second = Stack.start(tmp_path)
    try:
        assert read_row(second) == "été"
        assert read_records(second) == [b"a record"]
    finally:
        second.stop()


def test_two_stacks_run_side_by_side(own: Stack, tmp_path: Path) -> None:
    other = Stack.start(tmp_path / "other", fast=True)
    try:
        write_row(own)
        with psycopg.connect(other.database_url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM kept")
        create_topic(own)
        admin = AdminClient({"bootstrap.servers": other.kafka_bootstrap_servers})
        assert "kept" not in admin.list_topics(timeout=TIMEOUT_S).topics
    finally:
        other.stop()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_owner(end: signal.Signals, tmp_path: Path) -> None:
    owner, said = start_owner(tmp_path)
    owner.send_signal(end)
    owner.wait(TIMEOUT_S)
    wait_until_gone(said["watchdog"], *said["processes"].values())

    again = Stack.start(tmp_path, fast=True)
    again.stop()


def test_what_a_crash_of_owner_and_watchdog_leaves_behind_ends_at_the_next_start(tmp_path: Path) -> None:
    owner, said = start_owner(tmp_path)
    os.kill(said["watchdog"], signal.SIGKILL)
    owner.kill()
    owner.wait(TIMEOUT_S)
    assert all(is_running(pid) for pid in said["processes"].values())

    again = Stack.start(tmp_path, fast=True)
    try:
        wait_until_gone(*said["processes"].values())
        write_row(again)
        assert read_row(again) == "été"
    finally:
        again.stop()


@pytest.mark.parametrize("name", ["postgres", "kafka"])
def test_a_server_starts_again_after_kill_9(name: str, tmp_path: Path) -> None:
    stack = Stack.start(tmp_path)
    try:
        write_row(stack)
        create_topic(stack)
        write_record(stack)
        os.kill(stack.processes[name], signal.SIGKILL)
        while name in stack.processes:  # A process with many threads is a zombie for a moment before it is gone.
            time.sleep(0.01)
        stack.server(name).start()
        assert read_row(stack) == "été"
        assert read_records(stack) == [b"a record"]
    finally:
        stack.stop()


def test_a_watchdog_that_was_killed_is_replaced_by_one_that_knows_the_servers(tmp_path: Path) -> None:
    owner, said = start_owner(tmp_path)
    os.kill(said["watchdog"], signal.SIGKILL)
    owner.send_signal(signal.SIGUSR1)  # Restarts Kafka, which needs a watchdog.
    assert owner.stdout is not None
    said = json.loads(owner.stdout.readline())
    assert is_running(said["watchdog"])
    owner.kill()
    owner.wait(TIMEOUT_S)
    wait_until_gone(said["watchdog"], *said["processes"].values())


def test_a_forked_child_does_not_keep_the_stack_alive(tmp_path: Path) -> None:
    stack = Stack.start(tmp_path, fast=True)
    child = os.fork()
    if child == 0:
        time.sleep(TIMEOUT_S)
        os._exit(0)
    try:
        pids = [stack.watchdog_pid, *stack.processes.values()]
        stack.stop()
        wait_until_gone(*pids)
        Stack.start(tmp_path, fast=True).stop()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_three_brokers_keep_each_record_three_times_and_lose_none_with_one_of_them(tmp_path: Path) -> None:
    stack = Stack.start(tmp_path, brokers=3, fast=True)
    try:
        assert set(stack.processes) == {"postgres", "kafka-1", "kafka-2", "kafka-3"}
        create_topic(stack, copies=3)
        write_record(stack)
        admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers})
        leader = admin.list_topics("kept", timeout=TIMEOUT_S).topics["kept"].partitions[0].leader
        stack.server(f"kafka-{leader}").kill()
        write_record(stack, b"another")
        assert read_records(stack, 2) == [b"a record", b"another"]
        stack.server(f"kafka-{leader}").start()
        assert len(stack.processes) == 4
    finally:
        stack.stop()


def test_a_paused_broker_answers_again_once_resumed(own: Stack) -> None:
    create_topic(own)
    own.server("kafka").pause()
    assert psutil.Process(own.processes["kafka"]).status() == psutil.STATUS_STOPPED
    own.server("kafka").resume()
    write_record(own)
    assert read_records(own) == [b"a record"]


def test_a_data_folder_in_use_is_one_sentence(own: Stack) -> None:
    with pytest.raises(StackError) as refusal:
        Stack.start(own.folder.path)
    assert str(refusal.value) == (
        f"The data folder {own.folder.path} is in use by another Relais (process {os.getpid()}). "
        "Stop it, or choose another folder with --data-dir."
    )


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^The disk that holds .* is full: \d+ MiB are free and \d+ MiB are needed\."):
        DataFolder(tmp_path, min_free_bytes=2**60).acquire()
    DataFolder(tmp_path).acquire().release()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"^The data folder .*/file/data cannot be written: Not a directory\.$"):
        DataFolder(tmp_path / "file" / "data").acquire()


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as refusal:
            ensure_free(port)
    assert str(refusal.value) == f"Port {port} on 127.0.0.1 is taken by another program; choose another port."


def test_a_broker_refuses_a_taken_port_before_it_starts(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path).acquire()
    watchdog = Watchdog(folder)
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            node = Node(node_id=1, port=port, controller_port=port)
            broker = KafkaBroker("kafka", node, [node], "test", folder, watchdog, installed())
            with pytest.raises(StackError, match=rf"^Port {port} on 127\.0\.0\.1 is taken by another program;"):
                broker.start()
    finally:
        watchdog.close()
        folder.release()


def test_a_socket_path_stays_short_in_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("a-rather-long-name-" * 5) / ("of-a-folder-" * 5)
    stack = Stack.start(deep, fast=True)
    try:
        write_row(stack)
        assert read_row(stack) == "été"
    finally:
        stack.stop()


def test_every_jar_in_the_cache_is_the_one_that_was_checked() -> None:
    installed()
    assert [path.name for path in verified(cache_folder())] == [jar.file_name for jar in listed()]


def test_a_jar_that_differs_is_refused_by_name(tmp_path: Path) -> None:
    right, wrong = b"as checked", b"as changed by somebody"
    jars = [
        Jar("org.example:first:1.0", hashlib.sha256(right).hexdigest()),
        Jar("org.example:second:1.0", hashlib.sha256(right).hexdigest()),
    ]
    (tmp_path / "first-1.0.jar").write_bytes(right)
    (tmp_path / "second-1.0.jar").write_bytes(wrong)
    with pytest.raises(StackError) as refusal:
        verified(tmp_path, jars)
    assert str(refusal.value) == (
        f"{tmp_path}/second-1.0.jar is not the jar that was checked: its SHA-256 differs from the one in "
        "kafka-jars.sha256. Delete the file and run `python -m deploy.local.install`."
    )
