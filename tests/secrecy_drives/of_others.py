"""A secret through the adapters that have no server: JSON, memory and Prometheus."""

import json
from collections.abc import Iterator
from typing import cast

from prometheus_client import CollectorRegistry

from snapshot_conformance.secret_canary_watch import SecretWatch
from snapshot_domain.errors import Refused, SnapshotIngestError
from snapshot_domain.events import BatchHandled, Event, MessageHandled
from snapshot_domain.model import Ciphertext, Snapshot
from snapshot_domain.outcome import Outcome
from snapshot_domain.ports import DecryptorItem, OwnKey, TenantKey
from snapshot_domain.secret import RawMessage, Secret
from snapshot_json import JsonSnapshotDecoder
from snapshot_memory import (
    ManualClock,
    MemoryDecryptor,
    MemoryKeyring,
    MemoryRewrapper,
    MemorySnapshotDecoder,
)
from snapshot_openbao.client import Reply
from snapshot_openbao.errors import Problem
from snapshot_openbao.rewrapper import read_versions
from snapshot_prometheus import PrometheusMetrics
from support.messages import MORNING, device, message, tenant


async def decoders(watch: SecretWatch) -> None:
    """Whatever can be wrong with a message, to both decoders."""
    for body in _bodies(watch.canary.text):
        for decoder in (JsonSnapshotDecoder(), MemorySnapshotDecoder()):
            async with watch.keeping_errors():
                decoded = decoder.decode(RawMessage(body))
                if not isinstance(decoded, Snapshot):
                    watch.errors.add(LookupError(decoded))
                else:
                    watch.errors.add(LookupError(repr(decoded)))


async def decryptor(watch: SecretWatch) -> None:
    """What is no ciphertext, in memory."""
    keyring = MemoryKeyring()
    keyring.create(OwnKey.QUARANTINE)
    for text in (f"vault:v1:{watch.canary.text}", "vault:v1:§", "vault:v1:AAAA"):
        item = DecryptorItem(OwnKey.QUARANTINE, Ciphertext(text))
        (answer,) = await MemoryDecryptor(keyring).decrypt([item])
        assert not isinstance(answer, Secret)
        watch.errors.add(answer)


async def rewrappers(watch: SecretWatch) -> None:
    """What is no ciphertext, and what OpenBao would not say of a key."""
    keyring, owner = MemoryKeyring(), tenant("acme")
    keyring.create(TenantKey(owner))
    texts = [Ciphertext(f"vault:v1:{watch.canary.text}"), Ciphertext("vault:v1:§")]
    for answer in await MemoryRewrapper(keyring, ManualClock()).rewrap(owner, texts):
        assert isinstance(answer, Refused)
        watch.errors.add(answer)
    for said in ({}, {"latest_version": watch.canary.text}, {"latest_version": 1, "keys": {}}):
        body = json.dumps({"data": said}).encode()
        answered = read_versions(Reply(200, body, answered_at=MORNING))
        assert isinstance(answered, Problem)
        watch.errors.add(LookupError(answered))


async def metrics(watch: SecretWatch) -> None:
    """An event that is none, and a registry that has our names."""
    registry = CollectorRegistry()
    adapter = PrometheusMetrics(registry)
    outcome = cast("Outcome", watch.canary.text)
    adapter.record(BatchHandled([MessageHandled(outcome, 1, 1)], {}))
    adapter.record(BatchHandled(cast("list[MessageHandled]", [watch.canary.text]), {}))
    adapter.record(cast("Event", watch.canary.text))
    async with watch.keeping_errors():
        PrometheusMetrics(registry)
    assert isinstance(watch.errors.errors[-1], SnapshotIngestError)


def _bodies(text: str) -> Iterator[bytes]:
    known, owner = device("r1"), tenant("acme")
    for field in ("device_id", "tenant_id", "sha256_hash", "collected_at", "config_text"):
        for value in (text, [text], {text: text}, f"{text}\ud800", "9999999999-01-01", None):
            yield message(known, owner, text, MORNING, **{field: value}).reveal()
    for time in (
        f"2026-04-02T06:15:09+{text}",
        "0001-01-01T00:00:00+23:59",
        "2026-13-45T99:99:99Z",
    ):
        yield message(known, owner, text, collected_at=time).reveal()
    yield message(known, owner, text, MORNING, **{text: text}).reveal()
    yield text.encode()
    yield b"\xff" + text.encode()
    yield message(known, owner, text).reveal() + b"\xff"
    yield message(known, owner, text).reveal() + text.encode()
    yield json.dumps([text]).encode()
    yield b'{"a":' * 100_000 + json.dumps(text).encode()
    yield b'{"config_text": "' + text.encode() + b"\xff" + b'"}'
    yield b'{"config_text": "\xff", "b": ' + b"[" * 100_000 + json.dumps(text).encode()
    yield b'{"size": ' + b"9" * 5_000 + b', "config_text": ' + json.dumps(text).encode() + b"}"
