"""Listening on a virtual clock: nobody waits for a listener, and what it misses comes again."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from attrs import define, evolve, field

from simulation.loop import LoopClock, VirtualLoop
from snapshot_domain.backoff import Backoff
from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.events import ListenerFailed, ListenerObserved, ListenerTold
from snapshot_domain.listening.listening import Listening
from snapshot_domain.listening.telling import ListeningLimits
from snapshot_domain.model import StoredPosition
from snapshot_domain.ports import HolderId, NamedListener, SnapshotListener
from snapshot_domain.tasks import cancel
from snapshot_memory import ManualClock, MemoryKeptPositions, MemoryMetrics
from support.listening import MoodyListener, OpenTransactions, notice

_ENDS_AFTER_SECONDS = 3_600.0
_LIMITS = ListeningLimits(queue_notices=6, page_notices=3)
_NAME = "history"
_GRACE = timedelta(seconds=20)
_DOWN = Unavailable(Dependency.REPOSITORY, "the connection was refused")


@define
class Scene:
    """A store, what is kept, and processes that listen; all on one virtual clock."""

    loop: VirtualLoop
    store: OpenTransactions = field(factory=OpenTransactions)
    listener: MoodyListener = field(factory=MoodyListener)
    metrics: MemoryMetrics = field(factory=MemoryMetrics)
    clock: LoopClock = field(init=False)
    positions: MemoryKeptPositions = field(init=False)
    running: list["asyncio.Task[None]"] = field(factory=list)
    processes: int = 0

    def __attrs_post_init__(self) -> None:
        self.clock = LoopClock(self.loop)
        self.positions = MemoryKeptPositions(self.clock)

    def begin(self, *listeners: SnapshotListener, limits: ListeningLimits = _LIMITS) -> Listening:
        """A process with these listeners, or with this scene's one."""
        self.processes += 1
        listening = Listening(
            listeners or [self.listener],
            self.store,
            self.positions,
            self.metrics,
            self.clock,
            Backoff(Random(self.processes)),
            limits,
        )
        self.running.append(asyncio.ensure_future(listening.run()))
        return listening

    def begin_named(self, listener: SnapshotListener | None = None) -> Listening:
        """A process that gives the listener a name."""
        return self.begin(NamedListener(_NAME, listener or self.listener))

    def commit(self, listening: Listening, *transactions: int) -> None:
        """The process stores a snapshot in each transaction, and puts it."""
        for transaction in transactions:
            listening.put(self.store.commit(notice(transaction)))

    async def until(self, condition: Callable[[], bool], *, within: float = 600) -> float:
        """When it came true, in virtual seconds; the test fails if it does not in time."""
        async with asyncio.timeout(within):
            while not condition():
                await self.clock.sleep(0.125)
        return self.loop.time()

    async def kill(self) -> None:
        """The last process is gone, and lets go of nothing."""
        kept = {name: evolve(each) for name, each in self.positions.kept.items()}
        await cancel(self.running.pop())
        self.positions.kept = kept

    def is_behind(self) -> bool:
        """What the metrics say last."""
        seen = [each for each in self.metrics.events if isinstance(each, ListenerObserved)]
        return seen[-1].behind


Play = Callable[[Scene], Awaitable[None]]


@pytest.fixture(params=[1, 2, 3])
def play(request: pytest.FixtureRequest) -> Callable[[Play], None]:
    """Plays a scene to its end, the order of what happens at once drawn from a seed."""

    def run(told: Play) -> None:
        loop = VirtualLoop(Random(request.param), _ENDS_AFTER_SECONDS)
        scene = Scene(loop)

        async def to_the_end() -> None:
            try:
                await told(scene)
            finally:
                scene.listener.ends_when_cancelled = True
                await cancel(*(asyncio.all_tasks() - {asyncio.current_task()}))

        try:
            loop.run_until_complete(to_the_end())
        finally:
            loop.close()

    return run


Player = Callable[[Play], None]


def test_what_was_put_is_told_in_its_order(play: Player) -> None:
    async def story(scene: Scene) -> None:
        listening = scene.begin()
        scene.commit(listening, 1, 2)
        await scene.until(lambda: scene.listener.transactions == [1, 2])
        scene.commit(listening, 3)
        await scene.until(lambda: scene.listener.transactions == [1, 2, 3])
        assert sum(each.notices for each in _told(scene)) == 3

    play(story)


def test_a_listener_that_hangs_is_cancelled_in_time_told_again_and_holds_up_no_other(
    play: Player, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(scene: Scene) -> None:
        other = MoodyListener()
        scene.listener.is_hanging = True
        listening = scene.begin(scene.listener, other)
        scene.commit(listening, 1)
        assert await scene.until(lambda: other.transactions == [1]) < 1
        await scene.until(lambda: len(scene.listener.calls) == 2)
        first, second = (at for at, _ in scene.listener.calls)
        assert 30.5 <= second - first <= 31.5
        scene.listener.is_hanging = False
        await scene.until(lambda: scene.listener.transactions == [1])

    play(story)
    assert "failed on 1 notices: no end within 30 s" in caplog.text


@pytest.mark.parametrize("fault", [RuntimeError("content"), asyncio.CancelledError()])
def test_a_listener_that_fails_is_told_the_same_again_after_growing_delays(
    play: Player, fault: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.fault = fault
        listening = scene.begin()
        scene.commit(listening, 1)
        await scene.until(lambda: len(scene.listener.calls) == 4)
        times = [at for at, _ in scene.listener.calls]
        first, second, third = (after - at for at, after in pairwise(times))
        assert 0.5 <= first <= 1.125
        assert 1 <= second <= 2.125
        assert 2 <= third <= 4.125
        scene.listener.fault = None
        scene.commit(listening, 2)
        await scene.until(lambda: scene.listener.transactions == [1, 2])
        failures = [each for each in scene.metrics.events if isinstance(each, ListenerFailed)]
        assert len(failures) == 4

    play(story)
    assert type(fault).__name__ in caplog.text
    assert "content" not in caplog.text


def test_what_finds_no_room_is_read_from_the_store_before_what_comes_later(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        scene.commit(listening, *range(1, 20))
        await scene.until(scene.is_behind)
        assert listening.queued == 6
        scene.listener.is_hanging = False
        scene.commit(listening, 20)
        await scene.until(lambda: not scene.is_behind() and not listening.queued)
        assert scene.listener.transactions == list(range(1, 21))
        scene.commit(listening, 21)
        await scene.until(lambda: scene.listener.transactions[-1] == 21)
        assert len(scene.listener.transactions) == 21
        reads = len(scene.store.read)
        scene.commit(listening, 22)
        await scene.until(lambda: scene.listener.transactions[-1] == 22)
        assert len(scene.store.read) == reads

    play(story)


def test_catching_up_waits_for_an_open_transaction_and_passes_over_nothing(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        scene.store.opened.add(9)
        scene.commit(listening, *range(1, 9), 10, 11)
        await scene.until(scene.is_behind)
        scene.listener.is_hanging = False
        await scene.until(lambda: scene.listener.transactions == list(range(1, 9)))
        await scene.clock.sleep(60)
        assert scene.is_behind()
        scene.commit(listening, 9)
        await scene.until(lambda: not scene.is_behind())
        assert scene.listener.transactions == list(range(1, 12))

    play(story)


def test_an_older_transaction_that_is_committed_after_the_first_that_was_missed_is_told_too(
    play: Player,
) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        scene.store.opened.add(6)
        scene.commit(listening, 1, 2, 3, 4, 5)
        await scene.until(lambda: listening.queued == 5)
        listening.put(scene.store.commit(notice(7, 1), notice(7, 2)))
        scene.commit(listening, 6)
        scene.listener.is_hanging = False
        await scene.until(lambda: not scene.is_behind() and not listening.queued)
        assert set(scene.listener.told) == set(scene.store.committed)

    play(story)


def test_an_older_one_for_which_there_is_no_room_either_is_read_from_there_again(
    play: Player,
) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        scene.store.opened.add(7)
        scene.commit(listening, 1, 2, 3, 4, 5, 6, 8, 9, 7)
        await scene.until(scene.is_behind)
        scene.listener.is_hanging = False
        await scene.until(lambda: not scene.is_behind() and not listening.queued)
        assert set(scene.listener.told) == set(scene.store.committed)

    play(story)


def test_an_older_one_that_is_put_while_the_listener_catches_up_is_read_too(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        older = scene.store.commit(*(notice(7, number) for number in range(7)))
        scene.commit(listening, 1, 2, 3, 4, 5, 6, 8, 9)
        await scene.until(scene.is_behind)
        scene.store.answers.clear()
        scene.listener.is_hanging = False
        await scene.until(lambda: scene.store.asking == 1)
        listening.put(older)
        scene.store.answers.set()
        await scene.until(lambda: not scene.is_behind() and not listening.queued)
        assert set(scene.listener.told) == set(scene.store.committed)

    play(story)


def test_what_was_read_before_it_was_put_is_not_told_again(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        scene.commit(listening, *range(1, 9))
        not_put_yet = scene.store.commit(notice(9))
        scene.commit(listening, 10)
        scene.listener.is_hanging = False
        await scene.until(lambda: scene.listener.transactions == list(range(1, 11)))
        await scene.until(lambda: not scene.is_behind())
        listening.put(not_put_yet)
        scene.commit(listening, 11)
        await scene.until(lambda: scene.listener.transactions[-1] == 11)
        assert scene.listener.transactions == list(range(1, 12))

    play(story)


def test_a_store_that_is_away_while_a_listener_catches_up_delays_it_and_loses_nothing(
    play: Player,
) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        listening = scene.begin()
        scene.commit(listening, *range(1, 12))
        await scene.until(scene.is_behind)
        scene.store.fault = _DOWN
        scene.listener.is_hanging = False
        await scene.until(lambda: len(scene.listener.told) == 6)
        await scene.clock.sleep(120)
        scene.commit(listening, 12)
        scene.store.fault = None
        await scene.until(lambda: not scene.is_behind())
        assert scene.listener.transactions == list(range(1, 13))

    play(story)


def test_a_listener_with_a_name_is_told_of_what_others_stored_too_in_order(play: Player) -> None:
    async def story(scene: Scene) -> None:
        listening = scene.begin_named()
        scene.store.commit(notice(1), notice(3))
        scene.commit(listening, 2)
        await scene.until(lambda: scene.listener.transactions == [1, 2, 3])
        scene.store.commit(notice(4))
        assert await scene.until(lambda: len(scene.listener.told) == 4, within=2)

    play(story)


def test_a_listener_with_a_name_goes_on_where_it_was(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.commit(scene.begin_named(), 1, 2)
        await scene.until(lambda: scene.positions.position_of(_NAME) == StoredPosition(2))
        await cancel(scene.running.pop())
        scene.store.commit(notice(3))
        scene.begin_named()
        await scene.until(lambda: scene.positions.position_of(_NAME) == StoredPosition(3))
        assert scene.listener.transactions == [1, 2, 3]

    play(story)


def test_a_position_moves_only_after_the_listener_took_the_notices(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.fault = RuntimeError("not now")
        scene.commit(scene.begin_named(), 1)
        await scene.until(lambda: len(scene.listener.calls) == 2)
        assert scene.positions.position_of(_NAME) == StoredPosition(0)
        await cancel(scene.running.pop())
        scene.listener.fault = None
        scene.begin_named()
        await scene.until(lambda: scene.listener.transactions == [1])

    play(story)


def test_of_processes_with_one_name_one_is_told_at_a_time(play: Player) -> None:
    async def story(scene: Scene) -> None:
        listeners = [MoodyListener() for _ in range(3)]
        processes = [scene.begin_named(each) for each in listeners]
        for transaction in range(1, 30):
            scene.commit(processes[transaction % 3], transaction)
            await scene.clock.sleep(0.5)
        await scene.until(lambda: sum(len(each.told) for each in listeners) == 29)
        assert sorted(len(each.told) for each in listeners) == [0, 0, 29]

    play(story)


def test_after_a_stop_another_process_takes_over_at_once(play: Player) -> None:
    async def story(scene: Scene) -> None:
        first = scene.begin_named()
        await scene.clock.sleep(1)
        other = MoodyListener()
        scene.begin_named(other)
        first.stop(_GRACE)
        await scene.running[0]
        scene.store.commit(notice(1))
        assert await scene.until(lambda: other.transactions == [1]) < 5

    play(story)


def test_after_a_kill_another_process_takes_over_once_the_claim_has_run_out(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.commit(scene.begin_named(), 1)
        await scene.until(lambda: scene.positions.position_of(_NAME) == StoredPosition(1))
        await scene.kill()
        scene.store.commit(notice(2))
        other = MoodyListener()
        scene.begin_named(other)
        assert 55 < await scene.until(lambda: other.transactions == [2]) < 70

    play(story)


def test_a_claim_outlasts_every_call_so_that_no_other_process_tells_meanwhile(
    play: Player,
) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        first = scene.begin_named()
        await scene.clock.sleep(45)
        scene.commit(first, 1)
        other = MoodyListener()
        scene.begin_named(other)
        await scene.until(lambda: len(scene.listener.calls) == 3)
        assert not other.calls

    play(story)


def test_whoever_lost_its_claim_moves_no_position_and_looks_again(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        first = scene.begin_named()
        scene.commit(first, 1)
        await scene.until(lambda: bool(scene.listener.calls))
        # As if this process had been frozen for longer than its claim lasts.
        scene.positions.kept[_NAME].held_until = scene.clock.now()
        other = MoodyListener()
        second = scene.begin_named(other)
        scene.commit(second, 2)
        await scene.until(lambda: scene.positions.position_of(_NAME) == StoredPosition(2))
        scene.listener.is_hanging = False
        await scene.until(lambda: scene.listener.transactions == [1])
        scene.commit(first, 3)
        await scene.until(lambda: other.transactions[-1] == 3)
        assert scene.positions.position_of(_NAME) == StoredPosition(3)
        assert scene.listener.transactions == [1]

    play(story)


def test_an_open_transaction_holds_up_a_listener_with_a_name_and_is_not_passed_over(
    play: Player,
) -> None:
    async def story(scene: Scene) -> None:
        listening = scene.begin_named()
        scene.store.opened.add(2)
        scene.commit(listening, 1, 3)
        await scene.until(lambda: scene.listener.transactions == [1])
        await scene.clock.sleep(1_500)
        assert scene.listener.transactions == [1]
        scene.store.commit(notice(2))
        assert await scene.until(lambda: scene.listener.transactions == [1, 2, 3])

    play(story)


def test_what_cannot_be_read_yet_is_looked_for_again_soon(play: Player) -> None:
    async def story(scene: Scene) -> None:
        listening = scene.begin_named()
        await scene.clock.sleep(3)
        scene.store.opened.add(1)
        scene.commit(listening, 2)
        await scene.clock.sleep(0.25)
        scene.store.commit(notice(1))
        began = scene.loop.time()
        assert await scene.until(lambda: scene.listener.transactions == [1, 2]) - began <= 0.5

    play(story)


def test_a_move_whose_answer_was_lost_is_looked_up_and_nothing_is_told_twice(
    play: Player,
) -> None:
    async def story(scene: Scene) -> None:
        scene.positions = lossy = _LossyPositions(scene.clock)
        scene.commit(scene.begin_named(), 1)
        await scene.until(lambda: lossy.lost == 1)
        scene.store.commit(notice(2))
        await scene.until(lambda: scene.listener.transactions[-1:] == [2])
        assert scene.listener.transactions == [1, 2]

    play(story)


def test_after_a_fault_of_the_store_it_is_read_from_what_is_kept_there(play: Player) -> None:
    async def story(scene: Scene) -> None:
        # Transactions that stored nothing: what was read is beyond what was kept.
        scene.store.nothing_up_to = 9
        scene.begin_named()
        await scene.until(lambda: bool(scene.store.read))
        # The server that takes over has not seen them, and gives their numbers again.
        scene.store.fault = _DOWN
        await scene.until(lambda: bool(_failures(scene)))
        scene.store.fault, scene.store.nothing_up_to = None, 0
        scene.store.commit(notice(5))
        await scene.until(lambda: scene.listener.transactions == [5], within=20)

    play(story)


@pytest.mark.parametrize("fault", [RuntimeError, asyncio.CancelledError])
def test_a_store_that_fails_in_a_way_that_nobody_thought_of_is_asked_again(
    play: Player, fault: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(scene: Scene) -> None:
        listening = scene.begin_named()
        scene.store.fault = fault("may hold anything")
        scene.commit(listening, 1)
        await scene.until(lambda: bool(_failures(scene)))
        scene.store.fault = None
        await scene.until(lambda: scene.listener.transactions == [1])

    play(story)
    assert f"unforeseen {fault.__name__}" in caplog.text
    assert "may hold anything" not in caplog.text


def test_all_listeners_together_ask_the_store_one_question_at_a_time(play: Player) -> None:
    async def story(scene: Scene) -> None:
        listeners = [MoodyListener() for _ in range(5)]
        named = [NamedListener(f"{_NAME} {n}", each) for n, each in enumerate(listeners)]
        scene.commit(scene.begin(*named), *range(1, 30))
        await scene.until(lambda: all(len(each.told) == 29 for each in listeners))
        assert scene.store.asked_at_once == 1

    play(story)


def test_a_stop_tells_what_waits_and_then_ends(play: Player) -> None:
    async def story(scene: Scene) -> None:
        other = MoodyListener()
        listening = scene.begin(scene.listener, NamedListener(_NAME, other))
        scene.commit(listening, *range(1, 12))
        listening.stop(_GRACE)
        await asyncio.wait(scene.running)
        assert scene.listener.transactions == other.transactions == list(range(1, 12))
        assert scene.loop.time() < 1

    play(story)


def test_a_stop_does_not_wait_for_what_others_write(play: Player) -> None:
    async def story(scene: Scene) -> None:
        listening = scene.begin_named()
        scene.store.opened.add(1)
        scene.commit(listening, 2)
        listening.stop(_GRACE)
        await asyncio.wait(scene.running)
        assert scene.loop.time() < 5

    play(story)


@pytest.mark.parametrize("ends_when_cancelled", [True, False])
def test_a_stop_ends_whatever_a_listener_does(
    play: Player,
    ends_when_cancelled: bool,  # noqa: FBT001 - pytest gives it by name
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        scene.listener.ends_when_cancelled = ends_when_cancelled
        listening = scene.begin()
        scene.commit(listening, 1)
        await scene.until(lambda: bool(scene.listener.calls))
        listening.stop(_GRACE)
        began = scene.loop.time()
        await asyncio.wait(scene.running)
        assert 20 <= scene.loop.time() - began <= 25
        scene.listener.is_hanging = False

    play(story)
    assert "was not told of everything" in caplog.text
    assert ("does not end, and is left" in caplog.text) is not ends_when_cancelled


def test_a_cancellation_that_comes_again_cuts_no_end_short(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.is_hanging = True
        scene.listener.ends_when_cancelled = False
        scene.commit(scene.begin_named(), 1)
        await scene.until(lambda: bool(scene.listener.calls))
        began = scene.loop.time()
        await cancel(scene.running.pop())
        assert scene.loop.time() - began < 5
        assert scene.positions.kept[_NAME].holder is None
        scene.listener.is_hanging = False

    play(story)


def test_a_stop_does_not_wait_for_a_listener_that_fails(play: Player) -> None:
    async def story(scene: Scene) -> None:
        scene.listener.fault = RuntimeError("never")
        listening = scene.begin_named()
        scene.commit(listening, 1)
        await scene.until(lambda: bool(scene.listener.calls))
        listening.stop(_GRACE)
        began = scene.loop.time()
        await asyncio.wait(scene.running)
        assert scene.loop.time() - began < 2

    play(story)


@pytest.mark.parametrize("fault", [_DOWN, RuntimeError("a driver's, with content")])
def test_a_claim_that_cannot_be_let_go_of_ends_by_itself_and_the_stop_goes_on(
    play: Player, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(scene: Scene) -> None:
        scene.positions = _HoldingPositions(scene.clock, fault=fault)
        strays: list[object] = []
        scene.loop.set_exception_handler(lambda _, context: strays.append(context["message"]))
        listening = scene.begin_named()
        await scene.clock.sleep(1)
        listening.stop(_GRACE)
        await scene.running.pop()
        gc.collect()
        assert not strays

    play(story)
    assert "keeps its claim to its end" in caplog.text
    assert "content" not in caplog.text


def test_two_listeners_of_one_name_are_refused() -> None:
    clock = ManualClock()
    both = [NamedListener(_NAME, MoodyListener()) for _ in range(2)]
    around = (OpenTransactions(), MemoryKeptPositions(clock), MemoryMetrics(), clock)
    with pytest.raises(ValueError, match="one name"):
        Listening(both, *around, Backoff(Random(1)))


@pytest.mark.parametrize("name", ["", "a\nb"])
def test_a_name_is_printable(name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        NamedListener(name, MoodyListener())


def _failures(scene: Scene) -> list[ListenerFailed]:
    return [each for each in scene.metrics.events if isinstance(each, ListenerFailed)]


class _LossyPositions(MemoryKeptPositions):
    """Loses the answer of the first move."""

    lost = 0

    async def move(
        self, name: str, holder: HolderId, position: StoredPosition, lasts: timedelta
    ) -> bool:
        """See KeptPositions."""
        moved = await super().move(name, holder, position, lasts)
        self.lost += 1
        if self.lost == 1:
            raise _DOWN
        return moved


@define
class _HoldingPositions(MemoryKeptPositions):
    """Lets go of nothing."""

    fault: Exception = _DOWN

    async def let_go(self, name: str, holder: HolderId) -> None:
        """See KeptPositions."""
        await super().let_go(name, holder)
        raise self.fault


def _told(scene: Scene) -> list[ListenerTold]:
    return [each for each in scene.metrics.events if isinstance(each, ListenerTold)]
