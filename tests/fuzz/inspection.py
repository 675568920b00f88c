"""Takes inputs through a worker, and looks at everything that came of them and was said of them."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from attrs import field, frozen

from fuzz.drafts import CANARY
from fuzz.judge import Sound, judged
from fuzz.lab import Lab
from fuzz.rules import Handled, broken_rules, name_of
from snapshot_conformance.secret_canary import SecretCanary
from snapshot_domain.delivery import Settlement
from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.outcome import Stored
from snapshot_domain.policy import IngestPolicy
from snapshot_domain.ports import DecryptorItem, QuarantinedMessage, TenantKey
from snapshot_domain.replay import sealed_item
from snapshot_domain.secret import Secret
from snapshot_memory import MemoryDecryptor

SLOW_CPU_SECONDS = 20.0
"""No batch may need so much, whatever is in it."""

_CANARY = SecretCanary(CANARY)


@frozen
class Violation:
    """A rule that the input at `place` broke; None where only the whole batch is known."""

    place: int | None
    rule: str


@frozen
class Inspected:
    """How many inputs came to what, and what was wrong."""

    counts: Counter[str] = field(factory=Counter)
    violations: Sequence[Violation] = ()


async def inspected(bodies: Sequence[bytes], policy: IngestPolicy) -> Inspected:
    """The inputs, taken through a worker as one stream."""
    lab = Lab.of(bodies, policy)
    began = time.process_time()
    try:
        await lab.run()
    except TimeoutError:
        return Inspected(violations=[Violation(None, "the worker stops when it is told to")])
    spent_seconds = time.process_time() - began
    handled = await _handled(lab, policy)
    violations = [
        Violation(place, rule) for place, each in enumerate(handled) for rule in broken_rules(each)
    ]
    forms = _CANARY.forms_in("\n".join(lab.words.lines))
    violations += [Violation(None, f"nobody says content, not even as {form}") for form in forms]
    if spent_seconds > SLOW_CPU_SECONDS:
        violations.append(Violation(None, f"no batch needs {spent_seconds:.0f} s"))
    counts = Counter(name_of(each.outcomes[-1]) for each in handled if each.outcomes)
    return Inspected(counts, violations)


async def _handled(lab: Lab, policy: IngestPolicy) -> list[Handled]:
    settlements: dict[int, list[Settlement]] = defaultdict(list)
    for sequence, settlement in lab.world.source.settled:
        settlements[sequence].append(settlement)
    kept = {key[0].sequence: message for key, message in lab.world.quarantine.messages.items()}
    handled = []
    for sequence, body in enumerate(lab.bodies, start=1):
        judgement = judged(body)
        owner: TenantId | None = None
        if isinstance(judgement, Sound):
            owner = lab.world.directory.owner_of(DeviceId(judgement.device_id))
        handled.append(
            Handled(
                body=body,
                judgement=judgement,
                policy=policy,
                outcomes=lab.use_case.said[sequence],
                settlements=settlements[sequence],
                kept=await _opened_message(lab, kept.get(sequence)),
                kept_detail=kept[sequence].detail if sequence in kept else None,
                row=await _opened_row(lab, sequence),
                owner=owner,
                owner_has_key=owner is not None and TenantKey(owner) in lab.world.keyring,
            )
        )
    return handled


async def _opened_message(lab: Lab, message: QuarantinedMessage | None) -> bytes | None:
    return None if message is None else await _opened(lab, sealed_item(message))


async def _opened_row(lab: Lab, sequence: int) -> bytes | None:
    """The text of the row that the input made, None if it made none."""
    for outcome in lab.use_case.said[sequence]:
        if isinstance(outcome, Stored):
            row = lab.world.repository.rows[outcome.snapshot_id]
            return await _opened(lab, DecryptorItem(TenantKey(row.tenant_id), row.ciphertext))
    return None


async def _opened(lab: Lab, item: DecryptorItem) -> bytes | None:
    (answer,) = await MemoryDecryptor(lab.world.keyring).decrypt([item])
    return answer.reveal() if isinstance(answer, Secret) else None
