"""OpenBao, which sets itself up unattended at its first start and unseals itself at each."""

import asyncio
import http.client
import os
import secrets
from datetime import timedelta
from pathlib import Path
from signal import Signals

from snapshot_ingest.stack.directory import StackDirectory, write_private
from snapshot_ingest.stack.openbao_config import OpenBaoPaths, openbao_config
from snapshot_ingest.stack.openbao_roles import (
    ADMIN,
    INGEST,
    OPERATOR,
    READER,
    ROLES,
    AppRole,
    Role,
)
from snapshot_ingest.stack.ports import HOST
from snapshot_ingest.stack.process import Command

_ANSWER_SECONDS = 2.0
_HEALTHY = 200
_SEAL_KEY_BYTES = 32


class OpenBaoServer:
    """The keeper of keys: raft storage, a static seal, an audit log and four AppRoles."""

    # The first start elects itself leader, which takes seconds and is random.
    start_deadline = timedelta(seconds=120)

    def __init__(
        self,
        program: Path,
        directory: StackDirectory,
        port: int,
        cluster_port: int,
        *,
        audited: bool = True,
    ) -> None:
        self._program = program
        self._audited = audited
        self._directory = directory
        self._port = port
        self._cluster_port = cluster_port
        self._config = directory.openbao / "openbao.hcl"
        self._seal_key = directory.secrets / "openbao_seal.key"
        self.data = directory.openbao / "data"
        self.log = directory.logs / "openbao.log"
        self.audit_log = directory.logs / "openbao_audit.log"
        self.url = f"http://{HOST}:{port}"
        self.ingest = self._app_role(INGEST)
        self.reader = self._app_role(READER)
        self.operator = self._app_role(OPERATOR)
        self.admin = self._app_role(ADMIN)

    @property
    def needed(self) -> tuple[Path, ...]:
        """The seal's key, the store, and how each role logs in."""
        return (self._seal_key, self.data, *(self._secret_id_file(role) for role in ROLES))

    async def make(self) -> None:
        """Makes the seal's key and the secret ids that the server reads when it sets itself up."""
        self.data.mkdir(mode=0o700)
        descriptor = os.open(self._seal_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SEAL_KEY_BYTES))
        for role in ROLES:
            write_private(self._secret_id_file(role), secrets.token_urlsafe(32))

    def command(self) -> Command:
        """Writes the configuration and returns how to start the server."""
        paths = OpenBaoPaths(
            data=self.data,
            seal_key=self._seal_key,
            audit_log=self.audit_log if self._audited else None,
            secret_ids={role.name: self._secret_id_file(role) for role in ROLES},
        )
        write_private(self._config, openbao_config(self._port, self._cluster_port, paths))
        return Command(
            name="openbao",
            argv=(str(self._program), "server", f"-config={self._config}"),
            log_file=self.log,
            stop=Signals.SIGTERM,
            orphan=Signals.SIGKILL,
        )

    async def is_ready(self, pid: int) -> bool:  # noqa: ARG002 - the port is reserved for this one
        """Tells whether the server is set up, unsealed and active."""
        return await asyncio.to_thread(self._is_healthy)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/v1/sys/health")
            return connection.getresponse().status == _HEALTHY
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _app_role(self, role: Role) -> AppRole:
        return AppRole(role_id=role.name, secret_id_file=self._secret_id_file(role))

    def _secret_id_file(self, role: Role) -> Path:
        return self._directory.secrets / f"{role.name}.secret_id"
