"""Whether ingestion could work now: source, repository and cipher really answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from snapshot_domain.digests import Digests
from snapshot_domain.errors import Dependency, DependencyError
from snapshot_domain.intake import Intake
from snapshot_domain.ports import Cipher, Clock, HashRepository, MessageSource
from snapshot_domain.tasks import is_being_cancelled, within

_KEPT_SECONDS = 2.0


class Readiness:
    """Asks each dependency, and keeps the answer for two seconds, however often it is asked."""

    def __init__(
        self,
        source: MessageSource,
        repository: HashRepository,
        cipher: Cipher,
        intake: Intake,
        clock: Clock,
        digests: Digests,
        *,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._checks: Sequence[tuple[Dependency, Callable[[], Awaitable[None]]]] = (
            (Dependency.SOURCE, source.check),
            (Dependency.REPOSITORY, repository.check),
            (Dependency.CIPHER, cipher.check),
            (Dependency.REPOSITORY, digests.check),
        )
        self._intake = intake
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._asking = asyncio.Lock()
        self._answered_at = float("-inf")
        self._faults: Mapping[str, str] = {}

    async def faults(self) -> Mapping[str, str]:
        """What keeps each dependency from working; empty if ingestion is ready.

        While intake pauses, that is why, whatever the dependency answers here.
        """
        async with self._asking:
            if self._clock.monotonic() - self._answered_at >= _KEPT_SECONDS:
                self._faults = await self._ask()
                self._answered_at = self._clock.monotonic()
            paused = {str(name): what for name, what in self._intake.faults.items()}
            return {**self._faults, **paused}

    async def _ask(self) -> Mapping[str, str]:
        answers = await asyncio.gather(
            *(self._fault_of(asked, check) for asked, check in self._checks)
        )
        return {str(failed): fault for failed, fault in reversed(answers) if fault}

    async def _fault_of(
        self, asked: Dependency, check: Callable[[], Awaitable[None]]
    ) -> tuple[Dependency, str]:
        """Who fails, and what is wrong in our own words; that is empty if nothing is."""
        try:
            await within(self._timeout_seconds, check())
        except DependencyError as fault:
            return fault.dependency, str(fault)
        except TimeoutError:
            return asked, f"no answer within {self._timeout_seconds:g} s"
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            return asked, "unforeseen CancelledError"
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is not ready
            return asked, f"unforeseen {type(fault).__name__}"
        return asked, ""
