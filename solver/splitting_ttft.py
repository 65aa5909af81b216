"""The frontier of mixed serving over TPOT and TTFT at once: splits of GPUs under every pair of bounds.

Rows are bounds on TPOT, in rising order; bounds on TTFT are gone through in rising order too. For each row
A_j and D_j of ``splitting`` are kept. An agg point that a higher TTFT allows raises A_j in the rows from its
TPOT on; prefill points that it allows raise D_j. A row whose optimum rises above that of the row before, and
above its own under lower bounds on TTFT, is a corner: as many tokens/s are had with that TPOT and TTFT only.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from aicfg.solver.pairs import served_by_pairs
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import size_class, strict_front
from aicfg.solver.splitting import Splitting, workers_in
from aicfg.solver.staircase import undominated
from aicfg.solver.thresholds import Plan

MOST_CELLS = 25_000_000
"""Rows times GPUs up to which tables of A and D are kept: 400 MB."""


def rising_over_both(points: Points, ask: Ask) -> list[Plan] | None:
    """A plan of every corner, by rising TPOT and then TTFT; None where the tables would be too large.

    ``points`` are within the bounds.
    """
    agg = np.flatnonzero(points.role == Role.AGG)
    size = size_class(points)[agg]
    agg = agg[undominated(size, points.token_rate[agg], points.tpot_ns[agg], points.ttft_ns[agg])]
    pairs = np.flatnonzero(points.role != Role.AGG)
    pairs = pairs[strict_front(points.take(pairs), points.request_rate[pairs])]
    kept = np.concatenate((agg, pairs))
    table = _Table.of(points.take(kept), ask)
    if table is None:
        return None
    plans = [{int(kept[p]): n for p, n in plan.items()} for plan in table.plans()]
    figures = [(points.tpot_ns[list(plan)].max(), points.ttft_ns[list(plan)].max()) for plan in plans]
    return [plans[i] for i in sorted(range(len(plans)), key=lambda i: figures[i])]


@dataclass
class _Table:
    """A and D of every pool by rows (bounds on TPOT) and GPUs, under a rising bound on TTFT."""

    points: Points
    ask: Ask
    tpot_ns: IntArray
    """The bound of each row."""
    agg: list[IntArray]
    served: list[IntArray]
    pairs: dict[tuple[int, int, int], Plan] = field(default_factory=dict)
    """Pairs that serve as much, by pool, GPUs that are left there, and requests/s: those found so far."""

    @staticmethod
    def of(points: Points, ask: Ask) -> "_Table | None":
        """Empty tables."""
        rows = np.unique(points.tpot_ns[points.role != Role.PREFILL])
        if len(rows) * sum(pool.gpus + 1 for pool in ask.pools) > MOST_CELLS:
            return None
        shapes = [(len(rows), pool.gpus + 1) for pool in ask.pools]
        agg, served = ([np.zeros(shape, np.int64) for shape in shapes] for _ in range(2))
        return _Table(points, ask, rows, agg, served)

    def plans(self) -> list[Plan]:
        """A plan of every corner."""
        found: list[Plan] = []
        best = np.zeros(len(self.tpot_ns), np.int64)
        first = self.points.role != Role.DECODE
        for bound in np.unique(self.points.ttft_ns[first]).tolist():
            new = np.flatnonzero(first & (self.points.ttft_ns == bound))
            if (self.points.role[new] == Role.PREFILL).any():
                self._allow_prefill(bound)
                start = 0
            else:
                start = len(self.tpot_ns)
            for a in new[self.points.role[new] == Role.AGG].tolist():
                start = min(start, self._allow_agg(a))
            reached = best.copy()
            reached[start:] = self._best(start)
            before = np.concatenate(([0], reached[:-1]))
            for row in np.flatnonzero((reached > best) & (reached > before)).tolist():
                found.append(self._plan(row, bound))
            best = reached
        return found

    def _allow_agg(self, a: int) -> int:
        """Point ``a`` is allowed from now on; the first row that this changes."""
        pool = int(self.points.pool[a])
        row = int(np.searchsorted(self.tpot_ns, self.points.tpot_ns[a]))
        added = self.points.token_rate[a] * workers_in(len(self.agg[pool][0]) - 1, int(self.points.gpus[a]))
        np.maximum(self.agg[pool][row:], added, out=self.agg[pool][row:])
        return row

    def _allow_prefill(self, bound: int) -> None:
        """All prefill points up to this TTFT are allowed: D afresh, decode point by decode point."""
        kept = np.flatnonzero((self.points.role == Role.DECODE) | self._prefill_within(bound))
        of = self.points.take(kept)
        splitting, done = Splitting(of, self.ask), 0
        decode = np.flatnonzero(of.role == Role.DECODE)
        decode = decode[np.argsort(of.tpot_ns[decode], kind="stable")]
        rows = np.searchsorted(self.tpot_ns, of.tpot_ns[decode])
        for d, row in zip(decode.tolist(), rows.tolist(), strict=True):
            for j, served in enumerate(splitting.served):
                self.served[j][done:row] = served.value
            done = max(done, row)
            splitting.add(d)
        for j, served in enumerate(splitting.served):
            self.served[j][done:] = served.value
        self.pairs.clear()

    def _prefill_within(self, bound: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return (self.points.role == Role.PREFILL) & (self.points.ttft_ns <= bound)

    def _best(self, start: int) -> IntArray:
        """Most micro-tokens/s of each row from ``start`` on."""
        tokens = self.ask.tokens_per_request
        totals = [
            (a[start:] + tokens * d[start:, ::-1]).max(axis=1, initial=0)
            for a, d in zip(self.agg, self.served, strict=True)
        ]
        best: IntArray = np.max(totals, axis=0)
        return best

    def _plan(self, row: int, bound: int) -> Plan:
        """A plan with the most tokens/s of a row, under the bound on TTFT."""
        tokens = self.ask.tokens_per_request
        totals = [a[row] + tokens * d[row][::-1] for a, d in zip(self.agg, self.served, strict=True)]
        pool = max(range(len(totals)), key=lambda j: int(totals[j].max()))
        taken = int(totals[pool].argmax())
        left = len(totals[pool]) - 1 - taken
        plan = self._agg(pool, taken, int(self.agg[pool][row][taken]), row, bound)
        if served := int(self.served[pool][row][left]):
            key = (pool, left, served)
            if key not in self.pairs:
                self.pairs[key] = self._pair(pool, left, row, bound)
            plan |= self.pairs[key]
        return plan

    def _agg(self, pool: int, gpus: int, tokens: int, row: int, bound: int) -> Plan:
        """Workers of the agg point that has ``tokens`` on so many GPUs."""
        if not tokens:
            return {}
        points = self.points
        has = (points.role == Role.AGG) & (points.pool == pool) & (points.ttft_ns <= bound)
        has &= (points.tpot_ns <= self.tpot_ns[row]) & (points.token_rate * (gpus // points.gpus) == tokens)
        a = int(np.flatnonzero(has)[0])
        return {a: gpus // int(points.gpus[a])}

    def _pair(self, pool: int, left: int, row: int, bound: int) -> Plan:
        """The pair that serves the most with ``left`` GPUs in one pool, and the workers that takes."""
        points = self.points
        pools = tuple(
            replace(each, gpus=left) if j == pool else each for j, each in enumerate(self.ask.pools)
        )
        firsts = np.flatnonzero(self._prefill_within(bound))
        nexts = np.flatnonzero((points.role == Role.DECODE) & (points.tpot_ns <= self.tpot_ns[row]))
        served = served_by_pairs(points, replace(self.ask, pools=tuple(pools)), firsts, nexts)
        p, d = np.unravel_index(int(served.argmax()), served.shape)
        most = int(served[p, d])
        return {int(q): -(-most // int(points.request_rate[q])) for q in (firsts[p], nexts[d])}
