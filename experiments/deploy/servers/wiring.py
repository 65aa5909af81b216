"""Where one part of a worker runs, for workers that span nodes."""

from dataclasses import dataclass

from aicfg.experiments.deploy.command import Ref, Word


@dataclass(frozen=True)
class Wiring:
    """One node's part of a worker."""

    rank: int | Ref
    """Which node of the worker's this is."""
    leader: Word
    """Address of its first node."""
    leader_port: int = 29500
    data_parallel_port: int = 13445

    @property
    def leads(self) -> bool:
        """Whether this is the first node."""
        return self.rank == 0

    def rank_word(self, times: int = 1) -> int | Ref:
        """The rank, or the first of ``times`` ranks that this node has."""
        if isinstance(self.rank, int):
            return self.rank * times
        return Ref(self.rank.name, times=times)

    def leader_word(self) -> Word:
        """Address and port of the first node."""
        if isinstance(self.leader, str):
            return f"{self.leader}:{self.leader_port}"
        return Ref(self.leader.name, self.leader.before, f"{self.leader.after}:{self.leader_port}")
