"""The constraints of a capacity question's direct formulation."""

from typing import Any

from aicfg.solver.capacity import MICRO, spares
from aicfg.solver.cpsat_capacity_model import Model, most_workers
from aicfg.solver.cpsat_fleet import MOST_NODES
from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.packing import Nodes
from aicfg.solver.user import Comparison, Row, rules


def state(m: Model) -> None:
    """All of them."""
    for each in (_fleet, _time, _loads, _choices, _latencies, _own):
        each(m)


def _fleet(m: Model) -> None:
    """GPUs, offers and nodes of every pool in every step."""
    for j, pool in enumerate(m.ask.pools):
        own = [w for w in m.types if m.points.pool[m.first[w]] == j]
        sizes = sorted({int(m.points.gpus[m.first[w]]) for w in own})
        for t in range(len(m.capacity.steps)):
            taken = sum(int(m.points.gpus[m.first[w]]) * m.workers[w, t] for w in own)
            m.cp.add(taken <= pool.gpus)
            offers = m.capacity.offers[j] if m.capacity.offers else ()
            if offers:
                m.cp.add(taken <= sum(m.bought[j, o, t] for o in range(len(offers))))
            for o, offer in enumerate(offers):
                if offer.committed and t:
                    m.cp.add(m.bought[j, o, t] == m.bought[j, o, 0])
            nodes = Nodes(pool, tuple(sizes))
            if own and not nodes.is_free:
                _fill(m, nodes, {w: m.workers[w, t] for w in own})


def _fill(m: Model, nodes: Nodes, workers: dict[int, Any]) -> None:
    """Every node by itself: workers lie within one, or take whole ones."""
    size = nodes.pool.gpus_per_node
    capacities = [size] * nodes.whole + ([nodes.rest] if nodes.rest else [])
    if len(capacities) > MOST_NODES:
        raise UnsupportedAskError(f"engine cpsat: pool {nodes.pool.name} has {len(capacities)} nodes to fill")
    into: list[list[Any]] = [[] for _ in capacities]
    for w, count in workers.items():
        gpus = int(m.points.gpus[m.first[w]])
        if gpus <= size:
            placed = [m.cp.new_int_var(0, each // gpus, "") for each in capacities]
            m.cp.add(sum(placed) == count)
            for each, n in zip(into, placed, strict=True):
                each.append(gpus * n)
        else:
            whole = [m.cp.new_bool_var("") for _ in range(nodes.whole)]
            m.cp.add(sum(whole) == -(-gpus // size) * count)
            for each, n in zip(into, whole, strict=False):
                each.append(size * n)
    for capacity, each in zip(capacities, into, strict=True):
        m.cp.add(sum(each) <= capacity)


def _time(m: Model) -> None:
    """Time at the points of a type: that of the workers left when its spares are lost."""
    lost = spares(m.points, m.ask)
    for (w, t), count in m.workers.items():
        spent = sum(x for (p, step), x in m.time.items() if step == t and m.points.worker_type[p] == w)
        m.cp.add(spent <= m.parts * (count - int(lost[m.first[w]]) * m.used[w]))
        m.cp.add(count == 0).only_enforce_if(~m.used[w])


def _loads(m: Model) -> None:
    """Every load; where the tokens/s count, every class its share of all."""
    for t, step in enumerate(m.capacity.steps):
        for k, load in enumerate(step.loads):
            if load:
                total, lost = m.served[t, k]
                m.cp.add(total + lost >= load * m.parts)
    if m.ask.objective == "tokens_per_s":
        most = m.parts * sum(int(m.points.request_rate[p]) * most_workers(m, p) for p, _ in m.time)
        millionth = m.cp.new_int_var(1, most // MICRO + 1, "millionth")  # of all requests/s, rounded
        for k, of in enumerate(m.capacity.classes):
            total, lost = m.served[0, k]
            m.cp.add(total >= 1)
            m.cp.add(total <= of.share * (millionth + 1))
            m.cp.add(total + lost >= of.share * millionth)


def _choices(m: Model) -> None:
    """Types of each role, each with workers; every role of the mode serves."""
    able = {int(m.points.worker_type[p]) for p, _ in m.time}
    for w, used in m.used.items():
        if w not in able:
            m.cp.add(used == 0)
        m.cp.add(sum(m.workers[w, t] for t in range(len(m.capacity.steps))) >= used)
    by_role: dict[int, list[Any]] = {}
    for w, used in m.used.items():
        by_role.setdefault(int(m.points.role[m.first[w]]), []).append(used)
    for own in by_role.values():
        if m.ask.types_per_role is not None:
            m.cp.add(sum(own) <= m.ask.types_per_role)
    kinds = {w: (int(m.points.role[p]), int(m.points.group[p])) for w, p in m.first.items()}
    for w, (role, group) in kinds.items():
        if role:  # a prefill or decode type without a partner is not in use
            m.cp.add_bool_or(
                [m.used[v] for v, kind in kinds.items() if kind == (3 - role, group)] + [~m.used[w]]
            )
    needed = {"agg": (0,), "disagg": (1, 2), "mixed": ()}[m.ask.mode]
    for role in needed:
        m.cp.add_bool_or(by_role.get(role, []))
    if m.ask.mode == "mixed":
        m.cp.add_bool_or(by_role.get(0, []) + by_role.get(1, []))


def _latencies(m: Model) -> None:
    """One point of a type and class; where a request's latency is of both roles, of every pair in use."""
    chosen = m.chosen
    blocks: dict[tuple[int, int], list[int]] = {}
    for p in sorted({p for p, _ in m.time}):
        blocks.setdefault((int(m.points.worker_type[p]), int(m.points.request_class[p])), []).append(p)
        chosen[p] = m.cp.new_bool_var(f"chosen.{p}")
        for t in range(len(m.capacity.steps)):
            m.cp.add(m.time[p, t] == 0).only_enforce_if(~chosen[p])
    for (w, _), own in blocks.items():
        m.cp.add(sum(chosen[p] for p in own) <= m.used[w])
    for k, of in enumerate(m.capacity.classes):
        own = [p for p in chosen if m.points.request_class[p] == k]
        firsts, nexts = ([p for p in own if m.points.role[p] == role] for role in (1, 2))
        for p in firsts if of.request_latency_ns is not None else ():
            for d in nexts:
                late = int(m.points.ttft_ns[p]) + of.latency_tokens * int(m.points.tpot_ns[d])
                if m.points.group[p] == m.points.group[d] and late > (of.request_latency_ns or 0):
                    m.cp.add_bool_or([~chosen[p], ~chosen[d]])


def _compare(m: Model, rule: Comparison) -> None:
    """No two points in use of the two roles that break a comparison."""
    firsts, nexts = (
        [p for p in m.chosen if m.points.role[p] == r] for r in (rule.lower_role, rule.upper_role)
    )
    for p in firsts:
        for q in nexts:
            low, high = int(rule.lower[p]), int(rule.upper[q])
            if low > high or (rule.equal and low < high):
                m.cp.add_bool_or([~m.chosen[p], ~m.chosen[q]])


def _own(m: Model) -> None:
    """The user's rows on totals."""
    for rule in rules(m.points, m.ask):
        if isinstance(rule, Comparison):
            _compare(m, rule)
        if isinstance(rule, Row):
            for t in range(len(m.capacity.steps)):
                left = sum(int(rule.per_worker[m.first[w]]) * m.workers[w, t] for w in m.types)
                left = left + rule.types * sum(m.used.values())
                m.cp.add(left <= rule.most)
                if rule.equal:
                    m.cp.add(left >= rule.most)
