"""OpenBao's configuration, with the requests by which it sets itself up at its first start."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from snapshot_ingest.stack.openbao_roles import ROLES, Role
from snapshot_ingest.stack.ports import HOST

_TOKEN_PERIOD = "1h"  # noqa: S105 - a duration


@frozen
class OpenBaoPaths:
    """Where OpenBao finds its files; `secret_ids` by the role's name.

    Without an `audit_log` it keeps none.
    """

    data: Path
    seal_key: Path
    audit_log: Path | None
    secret_ids: Mapping[str, Path]


def openbao_config(port: int, cluster_port: int, paths: OpenBaoPaths) -> str:
    """Returns the whole configuration. It names files with secrets and holds none.

    The `initialize` block is run once, at the first start; later starts ignore it.
    """
    requests = "\n".join(_requests(paths))
    return f"""\
ui           = false
api_addr     = "http://{HOST}:{port}"
cluster_addr = "http://{HOST}:{cluster_port}"

listener "tcp" {{
  address         = "{HOST}:{port}"
  cluster_address = "{HOST}:{cluster_port}"
  tls_disable     = true
}}

storage "raft" {{
  path                   = {_quoted(paths.data)}
  node_id                = "snapshot-ingest"
  performance_multiplier = 1
}}

seal "static" {{
  current_key_id = "snapshot-ingest-1"
  current_key    = {_quoted(f"file://{paths.seal_key}")}
}}

{_audit(paths.audit_log)}initialize "setup" {{
{requests}
}}
"""


def _audit(log: Path | None) -> str:
    if log is None:
        return ""
    return f"""\
audit "file" "file" {{
  options {{
    file_path = {_quoted(log)}
  }}
}}

"""


def _requests(paths: OpenBaoPaths) -> Iterator[str]:
    yield _request("transit", "sys/mounts/transit", 'type = "transit"')
    # Without it, whoever may create at transit/encrypt/… makes a key by misspelling its name.
    yield _request("no-upsert", "transit/config/keys", "disable_upsert = true")
    yield _request("approle", "sys/auth/approle", 'type = "approle"')
    for role in ROLES:
        yield from _role_requests(role, paths.secret_ids[role.name])


def _role_requests(role: Role, secret_id_file: Path) -> Iterator[str]:
    name = role.name
    path = f"auth/approle/role/{name}"
    yield _request(
        f"{name}-policy", f"sys/policies/acl/{name}", f"policy = {_quoted(role.policy())}"
    )
    yield _request(
        f"{name}-role", path, f'token_policies = ["{name}"]', f'token_period = "{_TOKEN_PERIOD}"'
    )
    yield _request(f"{name}-role-id", f"{path}/role-id", f'role_id = "{name}"')
    yield _request(
        f"{name}-secret-id",
        f"{path}/custom-secret-id",
        "secret_id = {",
        '  eval_source = "file"',
        '  eval_type   = "string"',
        f"  path        = {_quoted(secret_id_file)}",
        "}",
    )


def _request(name: str, path: str, *data: str) -> str:
    lines = "\n".join(f"      {line}" for line in data)
    return f"""\
  request "{name}" {{
    operation = "update"
    path      = "{path}"
    data = {{
{lines}
    }}
  }}"""


def _quoted(text: str | Path) -> str:
    return json.dumps(str(text), ensure_ascii=False)
