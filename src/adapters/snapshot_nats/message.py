"""SafeMsg: the message class given to nats-py, so that no message shows or hides anything."""

from dataclasses import dataclass

from nats.aio.msg import Msg

ACK_PREFIX = "$JS.ACK."
STATUS_HEADER = "Status"
PUBLISHED_STATUS_HEADER = "Published-Status"


@dataclass(repr=False)
class SafeMsg(Msg):
    """A message whose repr shows no content, and whose publisher can't make it look like a status.

    nats-py takes any message with a `Status` header for an answer of the server, although a
    publisher can set one: with it a snapshot would be dropped, or end the batch that it came in.
    On a message from a stream that header is renamed to `Published-Status`.
    """

    def __post_init__(self) -> None:
        if self.headers and self.is_from_stream and STATUS_HEADER in self.headers:
            self.headers[PUBLISHED_STATUS_HEADER] = self.headers.pop(STATUS_HEADER)

    @property
    def is_from_stream(self) -> bool:
        """Whether a stream delivered it; any other message is an answer of the server."""
        return self.reply.startswith(ACK_PREFIX)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.data)} bytes, sealed>"
