"""PartitionPush: one partition of one device brought to its peers, and home from a handoff."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from swiftlite.common import statsd
from swiftlite.common.fs import LockTimeout
from swiftlite.common.policies import StoragePolicy
from swiftlite.core import replicas
from swiftlite.core.fileset import FileSet
from swiftlite.obj import hashes, layout, removal
from swiftlite.obj.replication_lock import partition_lock
from swiftlite.obj.shipment import Sent, Shipment
from swiftlite.ring.own import is_same, place_among
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire import suffix_hashes
from swiftlite.wire.peers import PeerFailed

if TYPE_CHECKING:
    from swiftlite.obj.replicator import ObjectReplicator

RELISTED = 10
"""Of so many partitions one is listed anew in each pass: a suffix that was never noted is found in the end."""
REVERT_LOCK_TIMEOUT = 0.2
"""Seconds to wait for others that replicate a handoff partition: there is a next pass."""


class Job(NamedTuple):
    """A partition, and the device of the ring that it lies on."""

    ring: Ring
    policy: StoragePolicy
    node: Node
    device_root: str
    partition: int

    @property
    def directory(self) -> str:
        """Where its suffixes are."""
        return layout.partition_directory(self.device_root, self.policy, str(self.partition))


class PartitionPush:
    """Sends what peers lack. What only they have they send themselves.

    :param replicator: whose options, counts and connections are used
    """

    def __init__(self, replicator: ObjectReplicator, job: Job) -> None:
        self.replicator = replicator
        self.counts = replicator.counts
        self.job = job
        self.hashed: set[str] = set()
        """The suffixes whose hashes are of now, not remembered."""
        self.encoded = b""
        """All hashes, as a peer that has the same would spell them."""

    def run(self) -> str:
        """Bring the other primaries level, or all of them if this is a handoff, which is then emptied.

        :returns: what that was, ``update`` or ``delete``
        :raises ValueError: when the ring has no such partition
        """
        primaries = self.job.ring.primaries(self.job.partition)
        place = place_among(primaries, self.job.node)
        if place is not None:
            self._level(replicas.in_turn(primaries, place))
            return "update"
        self._send_home(primaries)
        return "delete"

    # A primary --------------------------------------------------------------------------------------------------------

    def _level(self, peers: Sequence[Node]) -> None:
        asked = [(node, self._ask(node)) for node in peers]  # they can look while we do
        ours = self._hashes()
        self.counts["suffix_count"] += len(ours)
        if not ours and removal.remove_partition(self.replicator.fs, self.job.directory):
            self.counts["remove"] += 1
        handoffs = (node for node in self.job.ring.handoffs(self.job.partition) if not is_same(node, self.job.node))
        for _, question in asked:
            if question is not None:
                question.wait()  # All, before what is sent to one takes its time.
        while asked:
            node, question = asked.pop(0)
            error = self._try(node, self._level_with, node, ours, question)
            if error is not None and error.status == 507:
                # Its disk is missing: somebody has to stand in for it.
                asked += [(handoff, None) for handoff in itertools.islice(handoffs, 1)]

    def _ask(self, node: Node) -> suffix_hashes.Question | None:
        """Ask a peer for its hashes, unless it is left alone."""
        try:
            self.replicator.silences.check(node.replication_address)
        except PeerFailed:
            return None  # which is told when its turn comes
        return suffix_hashes.Question(self.replicator.client, node, self.job.policy, self.job.partition)

    def _hashes(self) -> dict[str, str]:
        relist = self.replicator.cycle % RELISTED == self.job.partition % RELISTED
        found = None if relist else hashes.known(self.replicator.fs, self.job.directory)
        return self._compute(relist=relist) if found is None else found

    def _compute(self, recalculate: Iterable[str] = (), relist: bool = False) -> dict[str, str]:
        job, files = self.job, self.replicator.files
        compute, run = files.suffix_hashes, self.replicator.threads.run
        return run(compute, job.device_root, job.policy, str(job.partition), recalculate, relist, self.hashed)

    def _level_with(self, node: Node, ours: dict[str, str], asked: suffix_hashes.Question | None) -> None:
        question = asked or suffix_hashes.Question(self.replicator.client, node, self.job.policy, self.job.partition)
        if not self.encoded:
            self.encoded = suffix_hashes.encode(ours)
        if question.is_answered_with(self.encoded):
            self.counts["hashmatch"] += 1
            return
        theirs = question.answer()
        differing = replicas.differing_suffixes(ours, theirs)
        remembered = [suffix for suffix in differing if suffix not in self.hashed]
        if remembered:
            # Perhaps only what we remembered was wrong: something may have been removed by hand.
            fresh = self._compute(recalculate=remembered)
            for suffix in remembered:
                ours.pop(suffix)
                ours |= {suffix: fresh[suffix]} if suffix in fresh else {}
            self.encoded = b""
            differing = replicas.differing_suffixes(ours, theirs)
        if not differing:
            self.counts["hashmatch"] += 1
            return
        self.counts["suffix_sync"] += len(differing)
        self._send(node, differing)

    # A handoff --------------------------------------------------------------------------------------------------------

    def _send_home(self, primaries: Sequence[Node]) -> None:
        """Send all to the primaries, and remove what enough of them have."""
        fs, directory = self.replicator.fs, self.job.directory
        try:
            suffixes = sorted(filter(layout.is_suffix, fs.list(directory)))
            if suffixes:
                with partition_lock(fs, directory, REVERT_LOCK_TIMEOUT):
                    self._empty(primaries, suffixes)
            if removal.remove_partition(fs, directory):
                self.counts["remove"] += 1
            else:
                self.counts["handoffs_left"] += 1
        except FileNotFoundError:
            return  # gone meanwhile
        except LockTimeout:
            self.counts["handoffs_left"] += 1
            statsd.note("partition.lock-failure.count")

    def _empty(self, primaries: Sequence[Node], suffixes: Sequence[str]) -> None:
        held: list[Sent] = []
        for node in primaries:
            self._try(node, lambda node=node: held.append(self._send(node, suffixes)))
        wanted = self.replicator.options.handoff_delete or len(primaries)
        if len(held) >= wanted and self._are_primaries(primaries):
            removal.remove_objects(self.replicator.fs, self.job.directory, is_held(held, wanted))

    def _are_primaries(self, primaries: Sequence[Node]) -> bool:
        """Whether they still are: in a ring that has come meanwhile, loaded by now or not, this device may be one."""
        ring = self.job.ring
        return not ring.has_changed() and ring.primaries(self.job.partition) == tuple(primaries)

    # Both -------------------------------------------------------------------------------------------------------------

    def _send(self, node: Node, suffixes: Sequence[str]) -> Sent:
        job = self.job
        sent = self.replicator.sender.send(node, Shipment(job.device_root, job.policy, job.partition, suffixes))
        self.counts["rsync"] += 1
        self.counts.update(sent_objects=sent.data, sent_posts=sent.posts, sent_tombstones=sent.tombstones)
        self.counts["sent_bytes"] += sent.bytes
        if sent.failures:
            problem = f"{suffix_hashes.spell(node)} did not get {sent.failures} objects of partition {job.partition}"
            self.replicator.count_failure(node, PeerFailed(problem))
        return sent

    def _try(self, node: Node, action: Callable[..., object], *arguments: object) -> PeerFailed | None:
        """Do something with a peer; a failure is counted, and returned."""
        try:
            self.replicator.silences.check(node.replication_address)
            action(*arguments)
        except PeerFailed as error:
            self.replicator.count_failure(node, error)
            return error
        self.replicator.silences.answered(node.replication_address)
        self.counts["success"] += 1
        return None


def is_held(held: Sequence[Sent], wanted: int) -> Callable[[str, FileSet], bool]:
    """Whether an object is on enough other devices to be removed from this one: just what is here now.

    :param held: what each peer has
    :param wanted: so many of them must have it
    """

    def decide(name_hash: str, found: FileSet) -> bool:
        copies = [sent.in_sync.get(name_hash) for sent in held]
        return sum(copy is not None and copy.effective == found.effective for copy in copies) >= wanted

    return decide
