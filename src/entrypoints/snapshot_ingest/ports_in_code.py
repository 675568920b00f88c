"""Ports that a host answers with adapters of its own, in code."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, TypeGuard

from snapshot_domain.digests import Digests
from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.ports import (
    AckFloors,
    Cipher,
    Clock,
    Decryptor,
    DeviceDirectory,
    FloorSource,
    HashRepository,
    KeptPositions,
    MessageSource,
    Metrics,
    NamedListener,
    Quarantine,
    QuarantineCipher,
    QuarantineReview,
    Resealer,
    SnapshotDecoder,
    SnapshotListener,
    StoredSnapshots,
    WaitingMessages,
)

Ports: TypeAlias = Mapping[type, object]
"""Each port with the adapter that answers it, such as `{Cipher: MyCipher()}`."""

NONE_REPLACED: Ports = MappingProxyType({})

OF_POSTGRES: tuple[type, ...] = (
    AckFloors,
    DeviceDirectory,
    HashRepository,
    KeptPositions,
    Quarantine,
    QuarantineReview,
    StoredSnapshots,
    WaitingMessages,
)
OF_OPENBAO: tuple[type, ...] = (Cipher, QuarantineCipher, Decryptor, Resealer)
_OTHERS: tuple[type, ...] = (Clock, Digests, FloorSource, MessageSource, Metrics, SnapshotDecoder)
_ALL = OF_POSTGRES + OF_OPENBAO + _OTHERS


class PortError(SnapshotIngestError):
    """What was handed in for a port cannot answer it."""


def check_ports(ports: Ports) -> None:
    """Raises `PortError` where there is no such port, or an adapter lacks a method of its port."""
    for port, adapter in ports.items():
        if port not in _ALL:
            raise PortError(
                f"{getattr(port, '__name__', port)} is no port of ingestion",
                expected=f"one of {', '.join(sorted(each.__name__ for each in _ALL))}",
            )
        lacking = _lacking(adapter, port)
        if lacking:
            raise PortError(
                f"{type(adapter).__name__} does not answer {port.__name__}",
                expected=f"that it has {', '.join(lacking)}",
                next_step="derive its tests from the port's contract in snapshot_conformance",
            )


def check_names(listeners: Sequence[SnapshotListener]) -> None:
    """Raises `PortError` where two listeners have one name, and so one position."""
    names = Counter(each.name for each in listeners if isinstance(each, NamedListener))
    twice = [name for name, times in names.items() if times > 1]
    if twice:
        raise PortError(
            f"two listeners have the name {', '.join(twice)}",
            expected="a name for each, under which its position is kept",
        )


def is_needed(technology: tuple[type, ...], ports: Ports) -> bool:
    """Whether an adapter of ours over this technology is left in use."""
    return any(port not in ports for port in technology)


def is_floor_source(source: MessageSource) -> TypeGuard[FloorSource]:
    """Whether a message source also says how far it is settled, as JetStream does."""
    return not _lacking(source, FloorSource)


def _lacking(adapter: object, port: type) -> list[str]:
    return [name for name in _methods_of(port) if not hasattr(adapter, name)]


def _methods_of(port: type) -> list[str]:
    return [name for name in vars(port) if not name.startswith("_")]
