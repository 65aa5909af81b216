"""Brute force over every capacity plan of a small instance, with exact linear programs for time shares."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product

import oracle

from aicfg.solver.capacity import MICRO
from aicfg.solver.points import Ask, Points, Role


def maximum(goal: Sequence[int], rows: Sequence[Sequence[int]], most: Sequence[int]) -> Fraction | None:
    """The most that goal.x can be with rows x <= most and x >= 0, by an exact simplex; None: there is no x.

    An extra variable y makes x = 0 feasible (rows x - y <= most); it is driven out first.
    """
    size = len(goal)
    table = [[Fraction(a) for a in row] + [Fraction(-1)] for row in rows]
    right = [Fraction(b) for b in most]
    basis = [size + 1 + i for i in range(len(rows))]
    nonbasis = [*range(size), size]
    if rows and min(right) < 0:
        worst = min(range(len(right)), key=lambda i: right[i])
        pivot(table, right, basis, nonbasis, worst, size)
        phase = {size: Fraction(-1)}
        if optimum(table, right, basis, nonbasis, phase) < 0:
            return None
        if size in basis:
            i = basis.index(size)
            j = next(j for j, a in enumerate(table[i]) if a)
            pivot(table, right, basis, nonbasis, i, j)
    drop = nonbasis.index(size)
    for row in table:
        row.pop(drop)
    nonbasis.pop(drop)
    return optimum(table, right, basis, nonbasis, {j: Fraction(c) for j, c in enumerate(goal)})


def pivot(table: list, right: list, basis: list, nonbasis: list, i: int, j: int) -> None:
    """Variable nonbasis[j] enters for basis[i]."""
    a = table[i][j]
    table[i] = [v / a for v in table[i]]
    table[i][j] = 1 / a
    right[i] /= a
    for k in range(len(table)):
        if k != i and table[k][j]:
            b = table[k][j]
            table[k] = [v - b * w for v, w in zip(table[k], table[i], strict=True)]
            table[k][j] = -b / a
            right[k] -= b * right[i]
    basis[i], nonbasis[j] = nonbasis[j], basis[i]


def optimum(table: list, right: list, basis: list, nonbasis: list, goal: dict) -> Fraction:
    """The highest goal from a feasible basis (Bland's rule)."""
    while True:
        gain = [
            goal.get(v, 0) - sum(goal.get(b, 0) * row[j] for b, row in zip(basis, table, strict=True))
            for j, v in enumerate(nonbasis)
        ]
        enter = (
            min((v, j) for j, v in enumerate(nonbasis) if gain[j] > 0) if max(gain, default=0) > 0 else None
        )
        if enter is None:
            return sum((goal.get(b, 0) * r for b, r in zip(basis, right, strict=True)), Fraction(0))
        j = enter[1]
        i = min(
            (r / row[j], b, i)
            for i, (row, r, b) in enumerate(zip(table, right, basis, strict=True))
            if row[j] > 0
        )[2]
        pivot(table, right, basis, nonbasis, i, j)


def plans(points: Points, ask: Ask) -> Iterator[dict[int, int]]:
    """Workers by type of every plan of one step that fits the fleet, whatever it serves."""
    roles = oracle.ROLES[ask.mode]
    first = {int(w): p for p, w in reversed(list(enumerate(points.worker_type.tolist())))}
    sides = []
    for role in roles:
        own = [w for w, p in first.items() if points.role[p] == role and able(points, ask, w)]
        most = len(own) if ask.types_per_role is None else ask.types_per_role
        sides.append([c for n in range(most + 1) for c in combinations(sorted(own), n)])
    for sets in product(*sides):
        chosen = [w for side in sets for w in side]
        if not oracle.partnered(points, [first[w] for w in chosen]):
            continue
        if not chosen or (ask.mode != "mixed" and not all(sets)):
            continue
        limits = [ask.pools[points.pool[first[w]]].gpus // int(points.gpus[first[w]]) for w in chosen]
        for counts in product(*(range(1, limit + 1) for limit in limits)):
            at = {first[w]: n for w, n in zip(chosen, counts, strict=True)}
            own = all(oracle.user_holds(points, ask, at, text) for text in ask.constraints)
            if own and oracle.fits(points, ask, at):
                yield dict(zip(chosen, counts, strict=True))


def able(points: Points, ask: Ask, w: int) -> bool:
    """Whether the type has a point within the bounds of its class at all."""
    return any(used for used in choices(points, ask, [w]))


def lost(points: Points, ask: Ask, p: int) -> int:
    """Spares of the type of a point, counted from the definition."""
    capacity = ask.capacity
    node, gpus = ask.pools[points.pool[p]].gpus_per_node, int(points.gpus[p])
    held = len(range(gpus, node + 1, gpus)) or 1
    return max(capacity.spare_workers, capacity.spare_nodes * held)


def choices(points: Points, ask: Ask, types: Sequence[int]) -> Iterator[list[int]]:
    """Points in use, every latency within its bounds: one or none for each type and class.

    Where a class has no bound on whole requests all of its points may be in use: none is better than the
    fastest one alone.
    """
    blocks: list[list[list[int]]] = []
    for w in types:
        for k, of in enumerate(ask.capacity.classes):
            own = [
                p
                for p in range(len(points))
                if points.worker_type[p] == w
                and points.request_class[p] == k
                and points.request_rate[p] > 0
                and points.memory_bytes[p] <= points.memory_limit_bytes[p]
                and (of.ttft_ns is None or points.ttft_ns[p] <= of.ttft_ns)
                and (of.tpot_ns is None or points.tpot_ns[p] <= of.tpot_ns)
            ]
            blocks.append([own] if of.request_latency_ns is None else [[], *([p] for p in own)])
    classes = range(len(ask.capacity.classes))
    for chosen in product(*blocks):
        used = [p for own in chosen for p in own]
        if all(_in_time(points, ask, [p for p in used if points.request_class[p] == k], k) for k in classes):
            yield used


def _in_time(points: Points, ask: Ask, used: list[int], k: int) -> bool:
    of = ask.capacity.classes[k]
    if of.request_latency_ns is None:
        return True
    for part in oracle.parts(points, dict.fromkeys(used, 1)):
        worst = max(int(points.ttft_ns[p]) for p in part)
        if worst + of.latency_tokens * max(int(points.tpot_ns[p]) for p in part) > of.request_latency_ns:
            return False
    return True


def serves(
    points: Points, ask: Ask, plan: dict[int, int], used: list[int], loads: Sequence[int]
) -> Fraction | None:
    """The most micro-tokens/s in the classes' shares beside ``loads``; None where the loads cannot be served.

    Variables: time at each point in use, what each (class, group) serves, and all requests.
    """
    first = {w: int((points.worker_type == w).argmax()) for w in plan}
    left = {w: n - lost(points, ask, first[w]) for w, n in plan.items()}
    if min(left.values()) < 0:
        return None
    lanes = sorted({(int(points.request_class[p]), int(points.group[p])) for p in used if points.role[p]})
    at = {p: i for i, p in enumerate(used)} | {lane: len(used) + i for i, lane in enumerate(lanes)}
    width = len(at) + 1
    rows, most = [], []

    def row(terms: dict, limit: int) -> None:
        rows.append([terms.get(i, 0) for i in range(width)])
        most.append(limit)

    for w, n in left.items():
        row({at[p]: 1 for p in used if points.worker_type[p] == w}, n)
    for k, g in lanes:
        for role in (Role.PREFILL, Role.DECODE):
            own = [
                p for p in used if (points.role[p], points.request_class[p], points.group[p]) == (role, k, g)
            ]
            row({at[k, g]: 1} | {at[p]: -int(points.request_rate[p]) for p in own}, 0)
    tokens = ask.objective == "tokens_per_s"
    goal = [0] * width
    for k, of in enumerate(ask.capacity.classes):
        agg = {at[p]: int(points.request_rate[p]) for p in used if points.role[p] == 0 and
               points.request_class[p] == k}  # fmt: skip
        served = agg | {at[lane]: 1 for lane in lanes if lane[0] == k}
        row({i: -v for i, v in served.items()}, -loads[k])
        if tokens:
            share = Fraction(of.share, MICRO)
            row(served | {width - 1: -share}, 0)
            row({i: -v for i, v in served.items()} | {width - 1: share}, 0)
            for lane in lanes:
                if lane[0] == k:
                    goal[at[lane]] = of.tokens_per_request
    if tokens:
        row({width - 1: -1}, -1)
    for p in used:
        if tokens and points.role[p] == 0:
            goal[at[p]] = int(points.token_rate[p])
    return maximum(goal, rows, most)


def best_tokens(points: Points, ask: Ask, plan: dict[int, int], loads: Sequence[int]) -> Fraction | None:
    """The most that the workers serve, over all choices of points; None where the loads cannot be served."""
    found = [serves(points, ask, plan, used, loads) for used in choices(points, ask, list(plan))]
    return max((each for each in found if each is not None), default=None)


def fee(ask: Ask, plan: dict[int, int]) -> int:
    """What the changes of today's workers cost."""
    today = ask.capacity.current
    if today is None:
        return 0
    moved = sum(abs(plan.get(w, 0) - today.get(w, 0)) for w in {*plan, *today})
    return moved * (ask.capacity.change_cost or 0)


def spent(points: Points, ask: Ask, steps: Sequence[dict[int, int]]) -> int:
    """GPU-seconds or their price, starts and purchases included, in millionths."""
    capacity, total = ask.capacity, 0
    first = {w: int((points.worker_type == w).argmax()) for plan in steps for w in plan}
    priced = ask.objective == "cost"
    for t, (plan, step) in enumerate(zip(steps, capacity.steps, strict=True)):
        for w, n in plan.items():
            j = int(points.pool[first[w]])
            each = int(points.gpus[first[w]]) * (
                (ask.pools[j].micro_price_per_gpu_hour or 0) if priced else MICRO
            )
            if not (priced and capacity.offers and capacity.offers[j]):
                total += each * n * step.seconds
            if len(steps) > 1:
                total += each * capacity.startup_s * max(n - steps[t - 1].get(w, 0), 0)
    for j, offers in enumerate(capacity.offers if priced else ()):
        if offers:
            taken = [
                sum(n * int(points.gpus[first[w]]) for w, n in plan.items() if points.pool[first[w]] == j)
                for plan in steps
            ]
            total += purchase(offers, taken, [step.seconds for step in capacity.steps])
    return total


def purchase(offers: Sequence, taken: Sequence[int], seconds: Sequence[int]) -> int:
    """The least that the GPUs taken in each step cost, over all commitments."""
    committed = [offer for offer in offers if offer.committed]
    demand = sorted((o for o in offers if not o.committed), key=lambda o: o.micro_price_per_gpu_hour)
    best = None
    for held in product(*(range(offer.gpus + 1) for offer in committed)):
        cost = sum(n * o.micro_price_per_gpu_hour for n, o in zip(held, committed, strict=True)) * sum(
            seconds
        )
        for need, length in zip(taken, seconds, strict=True):
            left = max(need - sum(held), 0)
            for offer in demand:
                n = min(left, offer.gpus)
                cost += n * offer.micro_price_per_gpu_hour * length
                left -= n
            if left:
                break
        else:
            best = cost if best is None else min(best, cost)
    assert best is not None
    return best


def best(points: Points, ask: Ask) -> int | None:
    """The objective's best value, changes paid; None when no plan exists."""
    steps = ask.capacity.steps
    fleets = list(plans(points, ask))
    if ask.objective == "tokens_per_s":
        return _most_tokens(points, ask, fleets)
    if len(steps) > 1:
        return _over_time(points, ask, fleets)
    by_value = sorted((spent(points, ask, [plan]) + fee(ask, plan), i) for i, plan in enumerate(fleets))
    serving = (v for v, i in by_value if best_tokens(points, ask, fleets[i], steps[0].loads) is not None)
    return next(serving, None)


def _most_tokens(points: Points, ask: Ask, fleets: list[dict[int, int]]) -> int | None:
    """From the fewest changes on, until what more of them cost is more than any fleet could bring."""
    loads = ask.capacity.steps[0].loads
    each = [best_tokens(points, ask, plan, loads) for plan in _largest(fleets)]
    most, found = max((tokens for tokens in each if tokens is not None), default=None), None
    for paid, _, i in sorted((fee(ask, plan), -sum(plan.values()), i) for i, plan in enumerate(fleets)):
        if most is None or (found is not None and most - paid <= found):
            break
        tokens = best_tokens(points, ask, fleets[i], loads)
        if tokens is not None and (found is None or tokens - paid > found):
            found = tokens - paid
    return None if found is None else round(found)


def _largest(fleets: list[dict[int, int]]) -> list[dict[int, int]]:
    """Fleets that no worker more of a type in use fits into: no other serves more."""
    there = {tuple(sorted(plan.items())) for plan in fleets}
    return [
        plan
        for plan in fleets
        if not any(tuple(sorted({**plan, w: n + 1}.items())) in there for w, n in plan.items())
    ]


def _over_time(points: Points, ask: Ask, fleets: list[dict[int, int]]) -> int | None:
    """Every sequence of fleets that uses no more types in all than a role may have."""
    able = [
        [plan for plan in fleets if best_tokens(points, ask, plan, step.loads) is not None]
        for step in ask.capacity.steps
    ]
    values = [
        spent(points, ask, sequence)
        for sequence in product(*able)
        if _few_types(points, ask, {w for plan in sequence for w in plan})
    ]
    return min(values, default=None)


def _few_types(points: Points, ask: Ask, types: set[int]) -> bool:
    roles = [int(points.role[(points.worker_type == w).argmax()]) for w in types]
    return ask.types_per_role is None or all(roles.count(r) <= ask.types_per_role for r in set(roles))
