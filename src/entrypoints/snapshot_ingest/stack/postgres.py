"""PostgreSQL with passwords (scram-sha-256), on loopback only, never as root."""

import secrets
from datetime import timedelta
from pathlib import Path
from signal import Signals

from snapshot_ingest.stack.directory import StackDirectory, write_private
from snapshot_ingest.stack.identity import Identity
from snapshot_ingest.stack.ports import HOST
from snapshot_ingest.stack.process import Command, run_to_end

SUPERUSER = "postgres"
DATABASE = "backend"

_MAKE_DEADLINE = timedelta(seconds=120)
# The eighth line of postmaster.pid, which pg_ctl waits for too.
_READY = "ready"
_STATUS_LINE = 7


class PostgresServer:
    """The backend's database server, durable as PostgreSQL is by default."""

    start_deadline = timedelta(seconds=60)

    def __init__(
        self,
        initdb: Path,
        program: Path,
        directory: StackDirectory,
        port: int,
        identity: Identity,
    ) -> None:
        self._initdb = initdb
        self._program = program
        self._folder = directory.postgres
        self._password_file = directory.secrets / "postgres_superuser.password"
        self._port = port
        self._identity = identity
        self.data = directory.postgres / "data"
        self.log = directory.logs / "postgres.log"

    @property
    def needed(self) -> tuple[Path, ...]:
        """The superuser's password, and a cluster that initdb made."""
        return (self._password_file, self.data / "PG_VERSION", self.data / "global" / "pg_control")

    @property
    def admin_dsn(self) -> str:
        """The superuser's way into the backend's database; it holds the password."""
        password = self._password_file.read_text(encoding="utf-8")
        return f"postgresql://{SUPERUSER}:{password}@{HOST}:{self._port}/{DATABASE}"

    async def make(self) -> None:
        """Makes the cluster, its superuser's password, and the backend's empty database."""
        password = secrets.token_urlsafe(32)
        write_private(self._password_file, password)
        self._identity.take(self._folder)
        # initdb reads the password as its own user, who may not enter the folder of secrets.
        handed_over = self._folder / "initdb.password"
        try:
            write_private(handed_over, password)
            self._identity.take(handed_over)
            await run_to_end(self._initdb_command(handed_over), within=_MAKE_DEADLINE)
        finally:
            handed_over.unlink(missing_ok=True)
        await run_to_end(
            self._command((str(self._program), "--single", "-D", str(self.data), SUPERUSER)),
            stdin=f"CREATE DATABASE {DATABASE}\n".encode(),
            within=_MAKE_DEADLINE,
        )

    def command(self) -> Command:
        """Returns how to start the server; it takes its settings from the command line."""
        settings = {
            "listen_addresses": HOST,
            "port": str(self._port),
            "unix_socket_directories": "",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._command((str(self._program), "-D", str(self.data), *flags))

    async def is_ready(self, pid: int) -> bool:
        """Tells whether this very server accepts connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        if len(lines) <= _STATUS_LINE:
            return False
        return lines[0] == str(pid) and lines[_STATUS_LINE].strip() == _READY

    def _initdb_command(self, password_file: Path) -> Command:
        return self._command(
            (
                str(self._initdb),
                f"--pgdata={self.data}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # PostgreSQL's own locale: the machine need not have any.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            )
        )

    def _command(self, argv: tuple[str, ...]) -> Command:
        return Command(
            name=Path(argv[0]).name,
            argv=argv,
            log_file=self.log,
            run_as=self._identity.prefix,
            # Fast shutdown: sessions are ended, nothing is recovered at the next start.
            stop=Signals.SIGINT,
            # Immediate shutdown: SIGKILL would leave its own children to find out by themselves.
            orphan=Signals.SIGQUIT,
        )
