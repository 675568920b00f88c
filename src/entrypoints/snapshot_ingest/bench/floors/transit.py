"""Transit alone: batches of one tenant's texts, one request after the other."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable
from uuid import UUID

import msgspec
import requests

from snapshot_ingest.bench.floors.data import compressed, in_batches, messages
from snapshot_ingest.bench.floors.order import Floor, Order

_TIMEOUT_SECONDS = 30


def transit(order: Order) -> Callable[[], int]:
    """Texts to ciphertexts."""
    by_tenant: dict[UUID, list[bytes]] = defaultdict(list)
    for fields in messages(order):
        by_tenant[fields.tenant_id].append(fields.config_text.encode())
    if order.floor is Floor.TRANSIT_COMPRESSED:
        by_tenant = defaultdict(list, {key: compressed(held) for key, held in by_tenant.items()})
    batches = [
        (
            f"{order.access.openbao_url}/v1/transit/encrypt/tenant_{tenant_id}",
            [held[n] for n in places],
        )
        for tenant_id, held in by_tenant.items()
        for places in in_batches(len(held))
    ]
    session = requests.Session()
    session.headers["X-Vault-Token"] = order.access.openbao_token

    def work() -> int:
        return sum(_encrypted(session, url, held) for url, held in batches)

    return work


def _encrypted(session: requests.Session, url: str, held: list[bytes]) -> int:
    entries = b",".join(b'{"plaintext":"' + b64encode(each) + b'"}' for each in held)
    body = b'{"batch_input":[' + entries + b"]}"
    answer = session.post(url, data=body, timeout=_TIMEOUT_SECONDS)
    answer.raise_for_status()
    return len(msgspec.json.decode(answer.content)["data"]["batch_results"])
