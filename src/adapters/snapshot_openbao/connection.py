"""A logged-in connection to OpenBao: its threads, its token, which is renewed, and new logins."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Generic, Self, TypeVar

from attrs import field, frozen

from snapshot_domain.ports.clock import Clock
from snapshot_domain.tasks import cancel
from snapshot_openbao.client import Address, HttpClient, Reply
from snapshot_openbao.errors import Problem, fault_of
from snapshot_openbao.grants import Grant, renewed
from snapshot_openbao.login import Login
from snapshot_openbao.renewal import keep_alive, passes
from snapshot_openbao.threads import Threads

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Read = TypeVar("_Read", covariant=True)


@frozen
class Timing:
    """How long things may take, in seconds.

    A call with all its logins and repetitions ends within `call_seconds` plus two requests: well
    before a stream that waits 30 s for an acknowledgement delivers again.
    """

    request_seconds: float = 6.0
    call_seconds: float = 12.0
    close_seconds: float = 5.0


@frozen
class Request(Generic[_Read]):
    """A POST, or a GET or a DELETE where there is no body.

    The body is built, and the answer read, only in the thread that sends it.
    """

    path: str
    body: Callable[[], bytes | bytearray] | None = field(repr=False)
    read: Callable[[Reply], _Read | Problem] = field(repr=False)
    deletes: bool = False


# Compared by identity: each login makes another one, so "is it still the one that I used?"
# is all that concurrent calls need to share one new login.
@frozen(eq=False)
class _Token:
    grant: Grant

    @property
    def text(self) -> str:
        return self.grant.token


class OpenBao:
    """Sends requests in parallel, logged in, up to the number of threads at once.

    A token is renewed after two thirds of its lease. Where that brings less than the lease as it
    was granted, or fails, a new login follows while the old token still lives. Where that login
    is refused, the old token is renewed for as long as it can be.

    Belongs to one event loop, which is why no lock is needed around the token. Close it, or use
    it as an async context manager. `retry_after` is what the latest answer asked for, `logins`
    counts the tokens that there were: while it stands still, every request has the same one.
    """

    def __init__(
        self,
        address: Address,
        login: Login,
        clock: Clock,
        *,
        threads: int = 4,
        timing: Timing | None = None,
    ) -> None:
        self._http = HttpClient(address)
        self._login = login
        self._clock = clock
        self._timing = timing or Timing()
        self.threads = Threads(threads)
        self._token: _Token | None = None
        self._login_under_way: asyncio.Task[_Token | Problem] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._replaced: deque[tuple[float, _Token]] = deque()
        self._closed = False
        self.retry_after: timedelta | None = None
        self.logins = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def deadline(self) -> float:
        """The moment, on the monotonic clock, by which a call that begins now must end."""
        return self._clock.monotonic() + self._timing.call_seconds

    async def log_in(self) -> Problem | None:
        """Sees to a token; what keeps us from one, if anything. One login serves all who wait."""
        token = await self._logged_in()
        return token if isinstance(token, Problem) else None

    async def send(self, requests: Sequence[Request[T]], deadline: float) -> Sequence[T | Problem]:
        """What each request came to, in order.

        Those that are forbidden are sent once more after one new login, which all calls share
        that used the same token. What is still forbidden then, is so for another reason.
        """
        used = await self._logged_in()
        answers = await self._post_all(requests, used, deadline)
        forbidden = [place for place, one in enumerate(answers) if one is Problem.FORBIDDEN]
        if not forbidden:
            return answers
        fresh = await self._logged_in(instead_of=used)
        again = await self._post_all([requests[place] for place in forbidden], fresh, deadline)
        for place, answer in zip(forbidden, again, strict=True):
            answers[place] = answer
        return answers

    async def send_once(
        self, requests: Sequence[Request[T]], deadline: float
    ) -> Sequence[T | Problem]:
        """The same with the token at hand alone: forbidden is not followed by a login."""
        return await self._post_all(requests, await self._logged_in(), deadline)

    async def aclose(self) -> None:
        """Revokes the tokens that we made, and ends the threads.

        A login that is under way ends by its own timeouts. Then each revocation has
        `close_seconds` from when a thread is free for it, and so has the end of the threads.
        """
        if self._closed:
            return
        self._closed = True
        if self._renewing is not None:
            await cancel(self._renewing)
        if self._login_under_way is not None:
            await asyncio.wait([self._login_under_way])
        if self._token is not None:
            self._replace(self._token)
        tokens = [token for _, token in self._replaced]
        self._token = None
        self._replaced.clear()
        try:
            await asyncio.gather(*(self._revoke(token) for token in tokens))
        finally:
            await self.threads.aclose(self._timing.close_seconds)
            self._http.close()

    async def _post_all(
        self, requests: Sequence[Request[T]], token: _Token | Problem, deadline: float
    ) -> list[T | Problem]:
        if isinstance(token, Problem):
            return [token for _ in requests]
        posts = (self._post(request, token, deadline) for request in requests)
        answers: list[T | Problem] = await asyncio.gather(*posts)
        return answers

    async def _post(self, request: Request[T], token: _Token, deadline: float) -> T | Problem:
        def work() -> T | Problem:
            # Asked here, since the wait for a free thread may have been long.
            if self._closed:
                return Problem.CLOSED
            seconds_left = deadline - self._clock.monotonic()
            if seconds_left <= 0:
                return Problem.NO_TIME_LEFT
            reply = self._exchange(request, token, seconds_left)
            if isinstance(reply, Problem):
                return reply
            self.retry_after = reply.retry_after
            return request.read(reply)

        return Problem.CLOSED if self._closed else await self.threads.run(work)

    def _exchange(self, request: Request[T], token: _Token, seconds_left: float) -> Reply | Problem:
        seconds = min(self._timing.request_seconds, seconds_left)
        if request.deletes:
            return self._http.delete(request.path, token=token.text, timeout_seconds=seconds)
        if request.body is None:
            return self._http.get(request.path, token=token.text, timeout_seconds=seconds)
        body = request.body()
        return self._http.post(request.path, body, token=token.text, timeout_seconds=seconds)

    async def _logged_in(self, instead_of: _Token | Problem | None = None) -> _Token | Problem:
        """The token to use: another one than `instead_of`, made anew if nobody else did yet."""
        if self._closed:
            return Problem.CLOSED
        if self._token is not None and self._token is not instead_of:
            return self._token
        if self._login_under_way is None:
            self._login_under_way = asyncio.create_task(self._log_in())
        # Shielded: one caller's cancellation must not cost the others their login.
        return await asyncio.shield(self._login_under_way)

    async def _log_in(self) -> _Token | Problem:
        try:
            answer = await self.threads.run(
                lambda: self._login.log_in(self._http, timeout_seconds=self._timing.request_seconds)
            )
            if isinstance(answer, Problem):
                return answer
            if self._is_another(answer):
                logger.info("logged in to OpenBao")
            self.logins += 1
            if self._token is not None:
                self._replace(self._token)
            self._token = token = _Token(answer)
            self._renew_in_time(token)
            await self._revoke_unused()
            return token
        finally:
            self._login_under_way = None

    def _is_another(self, grant: Grant) -> bool:
        """A given token is taken up again and again while it is refused: that is no news."""
        former = self._token.text if self._token is not None else None
        return self._login.makes_tokens or grant.token != former

    def _renew_in_time(self, token: _Token) -> None:
        if self._renewing is not None:
            self._renewing.cancel()  # it may be what asked for this login, and waits for it
        self._renewing = None
        if token.grant.lease_seconds and not self._closed:
            self._renewing = asyncio.create_task(self._keep_alive(token))

    async def _keep_alive(self, token: _Token) -> None:
        """Renews the token, and has another one made before it dies."""
        await keep_alive(
            token.grant, lambda: self._renew(token), lambda: self._replace_in_time(token)
        )

    async def _replace_in_time(self, token: _Token) -> Problem | None:
        fresh = await self._logged_in(instead_of=token)
        if not isinstance(fresh, Problem):
            return None
        if not passes(fresh):
            logger.warning("no new token before the present one dies: %s", fault_of(fresh))
        return fresh

    async def _renew(self, token: _Token) -> Grant | Problem:
        seconds = self._timing.request_seconds
        return await self.threads.run(
            lambda: renewed(self._http, token.text, timeout_seconds=seconds)
        )

    def _replace(self, token: _Token) -> None:
        if self._login.makes_tokens:
            self._replaced.append((self._clock.monotonic(), token))

    async def _revoke_unused(self) -> None:
        """Revokes the oldest token that was replaced, once no call can be using it any more."""
        unused_since = self._clock.monotonic() - 3 * self._timing.call_seconds
        if self._replaced and self._replaced[0][0] < unused_since:
            await self._revoke(self._replaced.popleft()[1])

    async def _revoke(self, token: _Token) -> None:
        reply = await self.threads.run(
            lambda: self._http.post(
                "auth/token/revoke-self",
                b"{}",
                token=token.text,
                timeout_seconds=self._timing.close_seconds,
            )
        )
        if isinstance(reply, Problem) or reply.status != 204:
            # It is dead already, or dies by its time to live.
            logger.debug("a token of OpenBao could not be revoked")
