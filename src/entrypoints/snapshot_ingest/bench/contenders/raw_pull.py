"""A pull in as few lines as it takes: what there is, or the next one that comes."""

import asyncio
import json

from nats.aio.client import Client
from nats.aio.msg import Msg

_WAIT_SECONDS = 5


class RawPull:
    """Fetches from a pull consumer, one fetch at a time."""

    def __init__(self, client: Client, stream: str, consumer: str) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = client.new_inbox()
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()

    async def open(self) -> None:
        """To be called once, before the first fetch."""
        await self._client.subscribe(self._inbox, cb=self._arrived.put)

    async def fetch(self, at_most: int) -> list[Msg]:
        """What is there, up to so many; if nothing, the next message, or none for a while."""
        fetched = await self._pull({"batch": at_most, "no_wait": True}, at_most)
        return fetched or await self._pull({"batch": 1, "expires": _WAIT_SECONDS * 10**9}, 1)

    async def _pull(self, request: dict[str, object], at_most: int) -> list[Msg]:
        await self._client.publish(self._subject, json.dumps(request).encode(), self._inbox)
        fetched: list[Msg] = []
        while len(fetched) < at_most:
            msg = await self._arrived.get()
            if msg.headers and "Status" in msg.headers:
                break
            fetched.append(msg)
        return fetched
