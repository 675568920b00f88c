"""Whether a simulation ended as it must: checked against what was published, and nothing else."""

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain, pairwise

from attrs import field, frozen

from simulation.loop import Endless
from simulation.story import Story
from simulation.weather import CANARY
from simulation.witness import Published, Sighting, Witness
from simulation.world import OWN_KEYS, World
from snapshot_domain.delivery import Ack
from snapshot_domain.events import EvictionSeen
from snapshot_domain.model import DeviceId, Digest, SnapshotFlag, TenantId
from snapshot_domain.ports import OwnKey, QuarantineReason, QuarantineState, TenantKey
from snapshot_domain.rejection import quarantine_aad
from snapshot_domain.secret import Configuration
from snapshot_memory import Run
from support.messages import device, tenant

Text = tuple[TenantId, str]


@frozen
class Verdict:
    """What one seed came to. The digest is that of its trace: one seed, one digest."""

    seed: int
    violations: Sequence[str]
    sightings: frozenset[Sighting]
    digest: str
    trace: Sequence[str] = field(repr=False)


def simulate(seed: int) -> Verdict:
    """Goes through the story of the seed, and judges it."""
    world = World(seed)
    story = Story(world)
    witness = world.witness
    with world.log.in_place_of_others():
        try:
            story.tell()
        except Endless as endless:
            witness.violations.append(f"it ends, and not so: {endless}")
        else:
            _judge(world)
        verdict = _verdict(seed, witness)
        with suppress(Endless):
            story.bury()
    return verdict


def _verdict(seed: int, witness: Witness) -> Verdict:
    """As it stands now: burying the dead is no part of the story."""
    trace = tuple(witness.trace)
    digest = hashlib.sha256("\n".join(trace).encode()).hexdigest()
    return Verdict(seed, tuple(witness.violations), frozenset(witness.sightings), digest, trace)


def _judge(world: World) -> None:
    _every_delivery_was_settled_once(world.witness)
    _every_message_is_in_one_state(world.witness)
    _nothing_waits_for_what_is_there(world)
    _nothing_is_called_discarded(world)
    _every_row_opens_to_its_text(world)
    _every_digest_is_of_one_kind(world)
    _the_listener_was_told_of_all(world)
    _no_plaintext_is_where_it_must_not_be(world)
    for device_id, messages in _accepted(world.witness).items():
        _no_text_is_missing(world, device_id, messages)
        _the_timeline_is_well_formed(world, device_id, messages)
        if world.repository.timelines.get(device_id) and not world.witness.is_tampered(device_id):
            _rule_4_holds(world, device_id, messages)


def _every_delivery_was_settled_once(witness: Witness) -> None:
    """But those that a killed worker had in hand, which it may not have come to."""
    for delivery, worker in witness.handed_to.items():
        times = witness.settled[delivery]
        dead = worker in witness.killed
        witness.expect(times == 1 or (dead and times == 0), f"{delivery} is settled once")
    unknown = set(witness.settled) - set(witness.handed_to)
    witness.expect(not unknown, f"only what was delivered is settled, not {unknown}")


def _every_message_is_in_one_state(witness: Witness) -> None:
    states = {each.origin.sequence: each.state for each in witness.quarantine.entries.values()}
    kept = Counter(each.origin.sequence for each in witness.quarantine.messages.values())
    for sequence in witness.published:
        settlement, state = witness.settlements.get(sequence), states.get(sequence)
        if settlement is None and sequence in witness.gone:
            continue
        witness.expect(settlement is not None, f"{sequence} is settled in the end")
        lawful, unlawful = witness.may_be_stored(sequence), witness.may_be_rejected(sequence)
        witness.expect(kept[sequence] <= 1, f"{sequence} is kept once")
        if isinstance(settlement, Ack):
            witness.expect(lawful, f"{sequence} is no snapshot, and not stored")
            # It was kept and its answer lost, and then its device or key appeared.
            witness.expect(not kept[sequence] or unlawful, f"{sequence} is stored, so not kept")
        else:
            witness.expect(unlawful, f"{sequence} was lawful all the time, and is stored")
            forgotten = witness.may_be_forgotten(sequence)
            in_quarantine = state in {QuarantineState.KEPT, QuarantineState.REPLAYED}
            was_released = sequence in witness.released
            witness.expect(in_quarantine or was_released or forgotten, f"{sequence} is kept")
        if state is QuarantineState.REPLAYED:
            witness.expect(sequence in witness.commits, f"{sequence} is released, so stored")


def _nothing_waits_for_what_is_there(world: World) -> None:
    for key, entry in world.quarantine.entries.items():
        if entry.state is not QuarantineState.KEPT:
            continue
        reason = entry.reason
        is_keyless = reason is QuarantineReason.KEY_MISSING
        must_wait = is_keyless and not world.witness.keyless_has_key
        sequence = entry.origin.sequence
        world.witness.expect(entry.waiting == must_wait, f"{sequence} waits, being {reason}")
        message = world.quarantine.messages[key]
        sealed = base64.b64decode(message.ciphertext.text.removeprefix("si1q:"))
        aad = quarantine_aad(message.origin)
        opens = [name for name in OWN_KEYS if world.keyring.open(name, sealed, aad) is not None]
        meant = [OwnKey.WAITING if entry.waiting else OwnKey.QUARANTINE]
        world.witness.expect(opens == meant, f"{sequence} opens with its key alone")


def _nothing_is_called_discarded(world: World) -> None:
    """This stream has room for all; but it is made again, and so is its consumer."""
    told = [event for event in world.metrics.events if isinstance(event, EvictionSeen)]
    world.witness.expect(not told, f"nothing was discarded unread, and not {told}")


def _every_row_opens_to_its_text(world: World) -> None:
    for row in world.repository.rows.values():
        sealed = base64.b64decode(row.ciphertext.text.removeprefix("vault:v1:"))
        opened = world.keyring.open(TenantKey(row.tenant_id), sealed, "")
        plain = opened and Digest.of(Configuration(opened)).hex
        world.witness.expect(
            plain == world.digests.plain_hex(row.digest), "a row opens to the text of its digest"
        )


def _the_listener_was_told_of_all(world: World) -> None:
    """The one with a name, whichever process stored a snapshot, and whichever of them died."""
    told = {notice.snapshot_id for notice in world.listener.notices}
    for run in chain.from_iterable(world.repository.timelines.values()):
        is_copy = SnapshotFlag.COPY in run.flags
        world.witness.expect(
            is_copy or run.snapshot_id in told, f"a listener is told of {run.start}"
        )


def _every_digest_is_of_one_kind(world: World) -> None:
    """A row has its run's digest; once digests are keyed and migrated, none is plain."""
    rows, is_keyed = world.repository.rows, world.digests.is_keyed
    for run in chain.from_iterable(world.repository.timelines.values()):
        row = rows.get(run.snapshot_id)
        world.witness.expect(row is None or row.digest == run.digest, "row and run agree")
        world.witness.expect((run.digest_key_id is not None) == is_keyed, "its kind is known")
        is_plain = world.digests.plain_hex(run.digest) == run.digest.hex
        world.witness.expect(is_plain != is_keyed, f"no digest is plain beside a key: {run.start}")


def _no_plaintext_is_where_it_must_not_be(world: World) -> None:
    shown = [
        *(f"{row} {row.ciphertext.text}" for row in world.repository.rows.values()),
        *(f"{kept} {kept.ciphertext.text}" for kept in world.quarantine.messages.values()),
        *map(repr, world.metrics.events),
        *map(repr, world.listener.notices),
        *world.log.lines,
    ]
    seen = [text for text in shown if CANARY in text]
    world.witness.expect(not seen, f"no plaintext is shown, and not {len(seen)} times")


def _accepted(witness: Witness) -> dict[DeviceId, list[Published]]:
    """The messages that were committed, by device, in the order of their timelines."""
    accepted: dict[DeviceId, list[Published]] = defaultdict(list)
    for sequence in witness.commits:
        published = witness.published[sequence]
        accepted[device(published.message.device or "")].append(published)
    for each in accepted.values():
        each.sort(key=lambda published: published.position)
    return accepted


def _no_text_is_missing(world: World, device_id: DeviceId, messages: Sequence[Published]) -> None:
    rows = {(row.device_id, *world.witness.text_of(row)) for row in world.repository.rows.values()}
    for published in messages:
        text = (device_id, *_text(published))
        deleted = text in world.witness.deleted
        world.witness.expect(deleted or text in rows, f"{published.position} is still stored")


def _the_timeline_is_well_formed(
    world: World, device_id: DeviceId, messages: Sequence[Published]
) -> None:
    """No run is there twice, and each begins and ends with a message that had its text."""
    witness, runs = world.witness, world.repository.timelines.get(device_id, [])
    starts = [run.start for run in runs]
    witness.expect(starts == sorted(set(starts)), "nothing is stored twice, or out of order")
    texts = {published.position: _text(published) for published in messages}
    for run in runs:
        witness.expect(run.start <= run.end, "a run ends after it starts")
        for position in (run.start, run.end):
            witness.expect(
                texts.get(position) == witness.text_of(run), f"a message said {position}"
            )
        if SnapshotFlag.COPY in run.flags:
            witness.sightings.add(Sighting.SPLIT)


def _rule_4_holds(world: World, device_id: DeviceId, messages: Sequence[Published]) -> None:
    """For any order of arrival; a device whose rows others deleted is excepted."""
    witness, runs = world.witness, world.repository.timelines[device_id]
    stored = _collapsed(map(witness.text_of, runs))
    arrived = _collapsed(map(_text, messages))
    witness.expect(_is_subsequence(stored, arrived), "the runs are in the order of the messages")
    witness.expect(stored[0] == arrived[0], "the oldest run has the oldest message's text")
    witness.expect(stored[-1] == arrived[-1], "the newest run has the newest message's text")
    witness.expect(runs[0].start == messages[0].position, "the oldest run starts the timeline")
    witness.expect(runs[-1].end == messages[-1].position, "the newest run ends the timeline")
    rows = world.repository.rows
    witness.expect(all(run.snapshot_id in rows for run in runs), "every run has its row")
    _only_late_arrivals_repeat_a_text(witness, runs, messages)


def _only_late_arrivals_repeat_a_text(
    witness: Witness, runs: Sequence[Run], messages: Sequence[Published]
) -> None:
    """A message may come again long after its run was split: that is a late arrival too."""
    accepted = {each.position: witness.commits[each.position[1]] for each in messages}
    for one, following in pairwise(runs):
        is_late = accepted.get(one.start, [0])[-1] > accepted.get(following.start, [0])[0]
        differs = witness.text_of(one) != witness.text_of(following)
        witness.expect(is_late or differs, "only late arrivals make runs of one text side by side")


def _text(published: Published) -> Text:
    return tenant(published.message.owner), published.message.digest


def _collapsed(texts: Iterable[Text]) -> list[Text]:
    """The texts without those that only repeat the one before."""
    result: list[Text] = []
    for text in texts:
        if not result or result[-1] != text:
            result.append(text)
    return result


def _is_subsequence(part: Sequence[Text], whole: Sequence[Text]) -> bool:
    remaining = iter(whole)
    return all(any(each == other for other in remaining) for each in part)
