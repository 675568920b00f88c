"""Making a consumer again that was deleted, from the floor that is known to be settled."""

import logging
from datetime import timedelta

from attrs import evolve, frozen
from nats.js.api import ConsumerInfo, DeliverPolicy, StreamInfo
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Dependency, DependencyError, Misconfigured, Unavailable
from snapshot_domain.ports import STREAM_START, AckFloors, first_unsettled
from snapshot_nats.client import SafeClient
from snapshot_nats.consumer import ConsumerNeeds, find_consumer, passes_over_messages
from snapshot_nats.denials import SubjectDenied
from snapshot_nats.errors import NATS_FAULTS, PROVISION, ask, fault_of, is_another_consumer
from snapshot_nats.floor import floor_name

_log = logging.getLogger(__name__)


@frozen
class Recreation:
    """Makes a consumer that is missing although its stream is there.

    It starts after the floor that `floors` keeps, or from the stream's start: then messages
    come again, and store nothing. The stream may be made again in that very moment: so the
    consumer's description says for which it was made, and whoever binds to it must compare.
    """

    floors: AckFloors
    stream: str
    durable: str
    needs: ConsumerNeeds
    answer_timeout: timedelta

    async def make(self, client: SafeClient) -> ConsumerInfo:
        """The consumer, made by us or by another worker at the same time.

        Raises `Misconfigured` if the user may not make it, and `Unavailable` if a server does
        not answer, or the floor's: without it, nobody knows where to start.
        """
        start, stream = await self.start(client)
        return await self._add(client, start, stream) or await self._won_by_another(client)

    async def start(self, client: SafeClient) -> tuple[int, StreamInfo]:
        """Where it must begin, and of which stream that is true; raises as `make`."""
        name = floor_name(self.durable, self.needs.filter_subject)
        floor = await self.floors.load(self.stream, name)
        stream = await self._look(client)  # after the floor, as that demands
        last_sequence = stream.state.last_seq
        if floor is not None and floor.is_cut_off_in(stream.created, last_sequence):
            _log.warning(
                "the stream ends at sequence %d, and ended at %d before: was it restored from a"
                " backup? the consumer %s begins at its start, so that nothing is passed over",
                last_sequence,
                floor.last_sequence,
                self.durable,
            )
            # Or it would hold again once the stream has grown, if this consumer is deleted too.
            cut_off = evolve(floor, sequence=0, last_sequence=last_sequence)
            if not await self.floors.keep(cut_off, floor):
                raise self._unsettled("another worker keeps a floor at this moment")
        return first_unsettled(floor, stream.created, last_sequence), stream

    async def _won_by_another(self, client: SafeClient) -> ConsumerInfo:
        """Binds to what another worker made, unless it would pass over what is not settled."""
        info = await find_consumer(client.jetstream(timeout=self._timeout_s), *self._names)
        start, stream = await self.start(client)  # the other one may have known a later floor
        if info is not None and start_of(info) <= start:
            return info
        if info is not None:
            await self.unmake(client)
        info = await self._add(client, start, stream)
        if info is None:
            raise self._unsettled("several workers make the consumer again at once")
        return info

    async def _add(self, client: SafeClient, start: int, stream: StreamInfo) -> ConsumerInfo | None:
        """The consumer that was made, or is there and just the same; None if it is another."""
        jetstream = client.jetstream(timeout=self._timeout_s)
        config = self.needs.config(self.durable, start, stream.created)
        try:
            return await jetstream.add_consumer(self.stream, config)
        except NATS_FAULTS as error:
            if is_another_consumer(error):
                return None
            fault = self._fault_of(error)
        raise fault

    async def unmake(self, client: SafeClient) -> None:
        """Deletes a consumer that starts elsewhere than it must; another worker may have done so.

        Raises `Misconfigured` if the user may not, and `Unavailable`.
        """
        jetstream = client.jetstream(timeout=self._timeout_s)
        try:
            await jetstream.delete_consumer(*self._names)
        except NotFoundError:
            return
        except SubjectDenied:
            fault: DependencyError = passes_over_messages(self.durable)
        except NATS_FAULTS as error:
            fault = fault_of(error, f"deleting the consumer {self.durable}")
        else:
            return
        raise fault

    async def _look(self, client: SafeClient) -> StreamInfo:
        jetstream = client.jetstream(timeout=self._timeout_s)
        return await ask(jetstream.stream_info(self.stream), "looking at the stream")

    def _fault_of(self, error: Exception) -> DependencyError:
        if isinstance(error, SubjectDenied):
            return self._forbidden()
        return fault_of(error, f"making the consumer {self.durable} again")

    def _forbidden(self) -> Misconfigured:
        return Misconfigured(
            Dependency.SOURCE,
            f"the consumer {self.durable} does not exist, and this user may not make it",
            expected=f"permission to publish to $JS.API.CONSUMER.DURABLE.CREATE.{self._path}",
            next_step=f"give it, or {PROVISION} as a user that may",
        )

    def _unsettled(self, what: str) -> Unavailable:
        return Unavailable(Dependency.SOURCE, what, next_step="it is looked at again by itself")

    @property
    def _names(self) -> tuple[str, str]:
        return (self.stream, self.durable)

    @property
    def _path(self) -> str:
        return ".".join(self._names)

    @property
    def _timeout_s(self) -> float:
        return self.answer_timeout.total_seconds()


def start_of(info: ConsumerInfo) -> int:
    """The first sequence that the consumer may deliver."""
    if info.config.deliver_policy == DeliverPolicy.BY_START_SEQUENCE:
        return info.config.opt_start_seq or STREAM_START
    return STREAM_START
