"""What happens in a simulation, and when, from the first message to the last settlement."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from simulation.crew import Crew
from simulation.fleet import KEYLESS, MOVER, NEWCOMER
from simulation.witness import Published, Sighting
from simulation.world import ENDS_AFTER_SECONDS, World
from snapshot_domain.events import IntakePaused
from snapshot_domain.ports import QuarantineReason, TenantKey
from snapshot_domain.tasks import cancel
from support.messages import device, subject_of, tenant

Event: TypeAlias = Callable[[], None]

_MESSAGES = 40
_STORM_SECONDS = 60
_SHARE_OF_KEYED = 0.4
_LONGEST_STEP_SECONDS = 60


class Story:
    """Messages, moves, deletions and stops for a while; then it calms, and all must drain."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._crew = Crew(world)
        self._tasks: list[asyncio.Task[None]] = []

    def tell(self) -> None:
        """Returns when everything is settled and every worker has stopped; raises `Endless`."""
        self._world.loop.set_exception_handler(self._note_stray_fault)
        self._world.loop.run_until_complete(self._run())

    def bury(self) -> None:
        """Lets the tasks of the killed end, once everything was looked at."""
        self._world.weather.is_calm = True
        self._world.loop.revive(more_seconds=ENDS_AFTER_SECONDS)
        try:
            self._world.loop.run_until_complete(_cancel_all())
        finally:
            self._world.loop.close()

    async def _run(self) -> None:
        world = self._world
        self._crew.begin()
        for at_seconds, event in sorted(self._events(), key=lambda each: each[0]):
            await world.clock.sleep(at_seconds - world.loop.time())
            event()
        world.weather.is_calm = True
        await asyncio.gather(*self._tasks)
        # What a former consumer delivered is in somebody's hand still, and may yet be kept.
        await world.clock.sleep(_LONGEST_STEP_SECONDS)
        while not (await world.source.backlog()).is_empty or self._somebody_must_not_wait():
            await world.clock.sleep(5)
        await self._crew.stop()
        await world.tell_the_rest()
        if world.digests.is_keyed:
            await self._migrate_digests()  # what came in between; "run it again"
        if any(isinstance(event, IntakePaused) for event in world.metrics.events):
            world.witness.sightings.add(Sighting.PAUSE)

    def _somebody_must_not_wait(self) -> bool:
        """Whether a message still waits that is an orphan, or whose key is there."""
        reasons = {QuarantineReason.ORPHAN}
        if self._world.witness.keyless_has_key:
            reasons.add(QuarantineReason.KEY_MISSING)
        kept = self._world.quarantine.messages.values()
        return any(each.waiting and each.reason in reasons for each in kept)

    def _events(self) -> list[tuple[float, Event]]:
        world = self._world
        draw = world.chance
        events: list[tuple[float, Event]] = [
            (draw.randrange(_STORM_SECONDS), self._publish) for _ in range(_MESSAGES)
        ]
        for share, event in (
            (1.0, self._register_newcomer),
            (0.3, self._move),
            (0.5, self._create_missing_key),
            (0.4, self._delete_old_rows),
            (0.4, self._delete_old_rows),
            (0.5, self._crew.stop_somebody),
            (0.5, self._crew.stop_somebody),
            (0.3, world.source.delete_consumer),
            (0.3, world.source.delete_consumer),
            (0.2, self._make_stream_again),
            (0.7, self._replay),
            (0.7, self._replay),
        ):
            if draw.random() < share:
                events.append((draw.randrange(_STORM_SECONDS), event))
        if world.chance_of_digests.random() < _SHARE_OF_KEYED:
            events.append((world.chance_of_digests.randrange(_STORM_SECONDS), self._key_digests))
        return events

    def _publish(self) -> None:
        world = self._world
        moved = world.directory.owner_of(device(MOVER)) == tenant("zeta")
        message = world.fleet.next_message(world.clock.now(), "zeta" if moved else "acme")
        subject = subject_of(device(message.device or "nobody"))
        world.digests.expect(tenant(message.owner), message.digest)
        sequence = world.source.publish(subject, message.body)
        world.witness.published[sequence] = Published(
            message, world.loop.time(), message.position(world.clock.now(), sequence)
        )

    def _register_newcomer(self) -> None:
        self._world.register(NEWCOMER, "acme")
        waiting = {each.device_id for each in self._world.quarantine.messages.values()}
        if device(NEWCOMER) in waiting:
            self._world.witness.sightings.add(Sighting.APPEARED)

    def _move(self) -> None:
        self._world.register(MOVER, "zeta")
        self._world.witness.sightings.add(Sighting.MOVE)

    def _create_missing_key(self) -> None:
        self._world.keyring.create(TenantKey(tenant(KEYLESS)))
        self._world.witness.keyless_has_key = True

    def _make_stream_again(self) -> None:
        """What was settled of it is stored or kept; the rest is gone."""
        world = self._world
        world.witness.gone.update(set(world.source.sequences) - set(world.witness.settlements))
        world.source.make_again()
        world.witness.sightings.add(Sighting.STREAM_AGAIN)

    def _replay(self) -> None:
        self._tasks.append(self._world.loop.create_task(self._world.replay_all()))

    def _key_digests(self) -> None:
        """An operator changes the setting, and migrates what there is."""
        world = self._world
        world.digests.turn()
        world.witness.sightings.add(Sighting.KEYED)
        self._tasks.append(world.loop.create_task(self._migrate_digests()))

    async def _migrate_digests(self) -> None:
        world = self._world
        await world.digests.migrate(world.keyring, world.clock, world.chance_of_digests)

    def _delete_old_rows(self) -> None:
        """By their time alone, as the backend's retention does it."""
        rows = self._world.repository.rows
        if not rows:
            return
        until = rows[self._world.chance.choice(sorted(rows))].collected_at
        old = [snapshot_id for snapshot_id, row in rows.items() if row.collected_at <= until]
        self._world.witness.forget_rows([rows.pop(snapshot_id) for snapshot_id in old])

    def _note_stray_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would print on its own may hold content."""
        what = f"{context['message']}: {type(context.get('exception')).__name__}"
        self._world.witness.violations.append(f"nothing is left to asyncio to print, not {what}")


async def _cancel_all() -> None:
    await cancel(*(asyncio.all_tasks() - {asyncio.current_task()}))
