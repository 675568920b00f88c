"""Chooses the user that PostgreSQL runs as: it refuses to be root."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from snapshot_ingest.stack.errors import StackError

UNPRIVILEGED_USER = "nobody"

# Either lets a process pass through directories that only root may enter. The first only reads;
# containers often hold just the second.
_SEARCH_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@frozen
class Identity:
    """Who a program runs as: `prefix` goes before its command line."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def take(self, path: Path) -> None:
        """Makes a file or folder of ours this identity's own."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def setpriv() -> str:
    """Returns the path of setpriv(1), or raises StackError where there is none."""
    path = shutil.which("setpriv")
    if path is None:
        raise StackError(
            "the program setpriv was not found",
            expected="it on the search path, because it starts the embedded servers",
            next_step="install util-linux",
        )
    return path


def unprivileged_identity(reached: Iterable[Path]) -> Identity:
    """Returns an identity that is not root and can reach all of `reached`.

    That of an ordinary user is their own. Root becomes `nobody`, and only where a directory above
    one of the paths shuts `nobody` out does it keep the one capability to pass through: no mode
    of a directory is changed.

    Raises:
        StackError: there is no such user, or no capability to keep.
    """
    if os.geteuid() != 0:
        return Identity()
    user = _unprivileged_user()
    groups = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    shut = [path for path in reached if not may_reach(path, user.pw_uid, user.pw_gid)]
    capability = keep_search_capability(shut[0], _held_capabilities()) if shut else ()
    return Identity((setpriv(), *groups, *capability, "--"), user.pw_uid, user.pw_gid)


def _unprivileged_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        pass
    raise StackError(
        f"there is no user {UNPRIVILEGED_USER} on this machine",
        expected="one, because PostgreSQL refuses to run as root",
        next_step="start as an ordinary user",
    )


def may_reach(path: Path, uid: int, gid: int) -> bool:
    """Tells whether a user without any capability may pass all directories above `path`."""
    return all(_may_enter(folder, uid, gid) for folder in path.resolve().parents)


def _may_enter(folder: Path, uid: int, gid: int) -> bool:
    found = folder.stat()
    if found.st_uid == uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def keep_search_capability(shut: Path, held: int) -> tuple[str, ...]:
    """Returns the options of setpriv(1) that keep the one capability to reach `shut`.

    `held` is the set of capabilities of this process, as the kernel writes it.

    Raises:
        StackError: none that would do is held.
    """
    for name, bit in _SEARCH_CAPABILITIES.items():
        if held >> bit & 1:
            # Without no_setuid_fixup, access(2) ignores the capability, and PostgreSQL asks
            # access(2) whether it may run its own program.
            return (
                "--securebits=+no_setuid_fixup",
                f"--inh-caps=+{name}",
                f"--ambient-caps=+{name}",
            )
    raise StackError(
        f"PostgreSQL, which runs as {UNPRIVILEGED_USER}, cannot reach {shut}",
        expected="directories above it that every user may enter, or the capability to pass them",
        next_step="use another directory",
    )


def _held_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
