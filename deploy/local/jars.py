"""The jars of Apache Kafka: which they are, where they lie, and that each is the one we checked.

`kafka-jars.sha256` names every jar by its Maven coordinate with its SHA-256; `jgo` downloads them. Nothing is resolved
when a machine is set up: the versions are in the list. `python -m deploy.local.jars` writes the list
anew, for another Kafka.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from deploy.local.errors import StackError

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
# Kafka logs through slf4j and its pom leaves the choice of a backend open: without one, a broker dies in silence.
LOG_BACKEND = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
LIST = Path(__file__).with_name("kafka-jars.sha256")
DOWNLOADS_AT_ONCE = 8
DOWNLOAD_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def listed(path: Path = LIST) -> list[Jar]:
    """The jars that make up Kafka, in the order of the list."""
    lines = (line.split() for line in path.read_text().splitlines() if line.strip())
    return [Jar(coordinate=coordinate, sha256=sha256) for sha256, coordinate in lines]


def cache_folder() -> Path:
    """The folder of this user that keeps the jars, named after the list, so that another list has another folder."""
    root = os.environ.get("RELAIS_CACHE_DIR") or platformdirs.user_cache_dir("relais")
    return Path(root) / f"kafka-{_digest(LIST)[:12]}"


def verified(folder: Path, jars: list[Jar] | None = None) -> list[Path]:
    """The paths of all jars in `folder`, each compared with its SHA-256.

    Raises FileNotFoundError where one is missing, StackError where one differs.
    """
    paths = []
    for jar in jars if jars is not None else listed():
        path = folder / jar.file_name
        if _digest(path) != jar.sha256:
            raise StackError(
                f"{path} is not the jar that was checked: its SHA-256 differs from the one in {LIST.name}. "
                "Delete the file and run `python -m deploy.local.install`."
            )
        paths.append(path)
    return paths


def download(folder: Path, jars: list[Jar] | None = None) -> None:
    """Brings the missing jars into `folder`. A jar gets its name there only after its SHA-256 was found right."""
    missing = [jar for jar in (jars if jars is not None else listed()) if not (folder / jar.file_name).exists()]
    if not missing:
        return
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="download-") as scratch,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        list(pool.map(lambda jar: _download_one(jar, Path(scratch), folder), missing))


def _download_one(jar: Jar, scratch: Path, folder: Path) -> None:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    group, artifact, version = jar.coordinate.split(":")
    maven = MavenContext(
        repo_cache=scratch,
        remote_repos={"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories},
        timeout=DOWNLOAD_TIMEOUT_S,
    )
    try:
        path = Path(maven.project(group, artifact).at_version(version).artifact().resolve())
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors.
        raise StackError(f"The jar {jar.coordinate} of Apache Kafka could not be downloaded: {error}.") from error
    if _digest(path) != jar.sha256:
        raise StackError(
            f"The jar {jar.coordinate} as downloaded is not the one that was checked: "
            f"its SHA-256 differs from the one in {LIST.name}."
        )
    path.replace(folder / jar.file_name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """One process at a time works in `folder`; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_list() -> None:
    import jgo

    # One by one: resolved together, a BOM that one of them imports would change the versions of the other.
    coordinates = {
        f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}": artifact for artifact in jgo.resolve(KAFKA)
    } | {LOG_BACKEND: jgo.resolve(LOG_BACKEND)[0]}
    lines = [f"{_digest(Path(artifact.resolve()))}  {name}\n" for name, artifact in sorted(coordinates.items())]
    LIST.write_text("".join(lines))


if __name__ == "__main__":
    _write_list()
