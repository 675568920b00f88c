"""How large a stream must be to hold all snapshots of an outage."""

import math
from datetime import timedelta

from attrs import frozen

_ENVELOPE_BYTES = 1024


@frozen(kw_only=True)
class ExpectedLoad:
    """How many devices send snapshots of which size, and how often each is polled."""

    devices: int
    snapshot_bytes: int
    poll_interval: timedelta

    def bytes_within(self, outage: timedelta) -> int:
        """The bytes that arrive in an outage of this length.

        A poll more than fits into it is counted, because the outage may begin just before
        one; an eighth is added for line ends that JSON writes as two bytes, and for each
        message its other fields, subject and headers.

        >>> load = ExpectedLoad(
        ...     devices=3_000, snapshot_bytes=16_384, poll_interval=timedelta(hours=6)
        ... )
        >>> load.bytes_within(timedelta(hours=24))
        291840000
        """
        polls = math.ceil(outage / self.poll_interval) + 1
        escapes_bytes = self.snapshot_bytes // 8
        message_bytes = self.snapshot_bytes + escapes_bytes + _ENVELOPE_BYTES
        return self.devices * polls * message_bytes
