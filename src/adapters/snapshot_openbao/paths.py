"""Where things stand in OpenBao: the names of keys and the paths of requests."""

import re

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.ports.cipher import KeyReference, OwnKey

DEFAULT_MOUNT = "transit"

_MOUNT = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", re.ASCII)


def key_name(key: KeyReference) -> str:
    """The name of a key: our own by its value, a tenant's as `tenant_<uuid>` in lower case.

    A tenant's id is a UUID by then, so that nothing in it can lead to another path.
    """
    return key.value if isinstance(key, OwnKey) else f"tenant_{key.tenant_id}"


def checked_mount(mount: str) -> str:
    """The mount's name without slashes around it; raises `Misconfigured` if it is no name."""
    name = mount.strip("/")
    if not _MOUNT.fullmatch(name):
        raise Misconfigured(
            Dependency.CIPHER,
            "the configured mount of OpenBao is no name",
            expected="letters, digits, - and _, with / in between",
            next_step="see the configured mount",
        )
    return name
