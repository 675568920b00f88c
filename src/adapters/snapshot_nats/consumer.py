"""What the durable consumer must be like, and in words how one that exists differs from it."""

from datetime import datetime, timedelta

from attrs import frozen
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.ports import STREAM_START
from snapshot_nats.client import SafeClient
from snapshot_nats.errors import NATS_FAULTS, STREAM_NOT_FOUND, ask, fault_of

DEFAULT_DURABLE = "config_snapshot_ingest"
DEFAULT_FILTER = "config.snapshot.>"

_UNLIMITED = -1
_MADE_FOR = "snapshot-ingest, for the stream that was made at "
FROM_THE_START = (DeliverPolicy.ALL, DeliverPolicy.BY_START_SEQUENCE)


@frozen
class ConsumerNeeds:
    """A pull consumer with explicit acks that redelivers for ever what nobody settled.

    `max_ack_pending` counts over all workers, and messages that wait for a retry count too:
    NATS' own default of 1000 would stall them.
    """

    filter_subject: str = DEFAULT_FILTER
    ack_wait: timedelta = timedelta(seconds=30)
    max_ack_pending: int = 10_000

    def config(
        self, durable: str, start: int = STREAM_START, stream_created_at: datetime | None = None
    ) -> ConsumerConfig:
        """The consumer to make, which delivers from the sequence `start` on.

        A start says something of one stream alone; the description tells of which. No `backoff`:
        with one, the delay of a retry is not kept.
        """
        is_whole = start <= STREAM_START
        return ConsumerConfig(
            durable_name=durable,
            description=_description(stream_created_at),
            filter_subject=self.filter_subject,
            deliver_policy=DeliverPolicy.ALL if is_whole else DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=None if is_whole else start,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait.total_seconds(),
            max_deliver=_UNLIMITED,
            max_ack_pending=self.max_ack_pending,
        )


def differences(needs: ConsumerNeeds, config: ConsumerConfig) -> list[str]:
    """In words, how the consumer differs from what we need; empty if it will do.

    One that starts at a sequence will do: it is how a former consumer's work is taken over.
    Longer deadlines and higher bounds than needed will do as well.
    """
    filters = config.filter_subjects or [config.filter_subject or ""]
    ack_wait_s = config.ack_wait or 0.0
    least_ack_wait_s = needs.ack_wait.total_seconds()
    max_ack_pending = config.max_ack_pending or 0
    checks = (
        (
            bool(config.deliver_subject),
            "it is a push consumer, expected a pull consumer (a former subscriber's? stop that,"
            " then run `snapshot-ingest takeover`)",
        ),
        (
            config.ack_policy != AckPolicy.EXPLICIT,
            f"ack policy is {_word(config.ack_policy)}, expected explicit",
        ),
        (
            config.deliver_policy not in FROM_THE_START,
            f"deliver policy is {_word(config.deliver_policy)}, expected all, or by_start_sequence",
        ),
        (
            filters != [needs.filter_subject],
            f"filter is {', '.join(filters) or 'none'}, expected {needs.filter_subject}",
        ),
        (
            config.max_deliver != _UNLIMITED,
            f"max_deliver is {config.max_deliver}, expected -1: after it a message silently stops",
        ),
        (
            ack_wait_s < least_ack_wait_s,
            f"ack_wait is {ack_wait_s:g} s, expected at least {least_ack_wait_s:g} s",
        ),
        (
            max_ack_pending != _UNLIMITED and max_ack_pending < needs.max_ack_pending,
            f"max_ack_pending is {max_ack_pending}, expected at least {needs.max_ack_pending}",
        ),
        (bool(config.backoff), "backoff is set, expected none: it overrides a retry's delay"),
        (bool(config.headers_only), "headers_only is set, expected whole messages"),
    )
    return [words for differs, words in checks if differs]


def is_of_our_making(config: ConsumerConfig) -> bool:
    """Whether we made the consumer, and so chose where it begins."""
    return (config.description or "").startswith(_MADE_FOR)


def is_of_another_stream(config: ConsumerConfig, stream_created_at: datetime | None) -> bool:
    """Whether we made the consumer for another stream than the one that it is on.

    It comes of a stream that is deleted and made again in the moment in which its consumer is
    made again. Where the consumer begins then says nothing of this stream.
    """
    return is_of_our_making(config) and config.description != _description(stream_created_at)


def _description(stream_created_at: datetime | None) -> str | None:
    return None if stream_created_at is None else f"{_MADE_FOR}{stream_created_at.isoformat()}"


def passes_over_messages(durable: str) -> Misconfigured:
    """What it means that such a consumer may not be replaced."""
    return Misconfigured(
        Dependency.SOURCE,
        f"the consumer {durable} was made for a former stream of that name, and begins in the"
        " middle of this one",
        next_step="delete it, then run `snapshot-ingest provision`; or let this user delete and"
        " make it",
    )


def require(durable: str, needs: ConsumerNeeds, config: ConsumerConfig) -> None:
    """Raises `Misconfigured` with every difference if the consumer will not do."""
    found = differences(needs, config)
    if found:
        raise Misconfigured(
            Dependency.SOURCE,
            f"the consumer {durable} is not as needed: {'; '.join(found)}",
            next_step="delete it, then run `snapshot-ingest provision` unless it is made again by"
            " itself; an update brings back nothing that it passed over",
        )


async def ensure_consumer(
    client: SafeClient, stream: str, durable: str, needs: ConsumerNeeds | None = None
) -> None:
    """Makes the consumer if it is missing; an existing one is compared and never altered.

    Raises `Misconfigured` with the differences, or if there is no stream, and `Unavailable`
    when JetStream does not answer.
    """
    needs = needs or ConsumerNeeds()
    jetstream = client.jetstream()
    info = await find_consumer(jetstream, stream, durable)
    if info is None:
        info = await _make(jetstream, stream, needs.config(durable))
    require(durable, needs, info.config)


async def _make(jetstream: JetStreamContext, stream: str, config: ConsumerConfig) -> ConsumerInfo:
    durable = config.durable_name or ""
    try:
        return await jetstream.add_consumer(stream, config)
    except NATS_FAULTS as error:
        fault = fault_of(error, f"making the consumer {durable}")
    # Somebody else may have made it in the meantime, in another shape.
    is_refused = isinstance(fault, Misconfigured)
    info = await find_consumer(jetstream, stream, durable) if is_refused else None
    if info is None:
        raise fault
    return info


async def find_consumer(
    jetstream: JetStreamContext, stream: str, durable: str
) -> ConsumerInfo | None:
    """What JetStream says of the consumer; None if the stream is there without it.

    Raises `Misconfigured` if there is no stream, and `Unavailable`.
    """
    return await ask(_found(jetstream, stream, durable), f"looking for the consumer {durable}")


async def _found(jetstream: JetStreamContext, stream: str, durable: str) -> ConsumerInfo | None:
    try:
        info: ConsumerInfo = await jetstream.consumer_info(stream, durable)
    except NotFoundError as error:
        if error.err_code == STREAM_NOT_FOUND:
            raise
        return None
    return info


def _word(policy: object) -> str:
    return str(getattr(policy, "value", policy))
