"""A plan with the user's settings: what every target renders."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aicfg.experiments.deploy import names
from aicfg.experiments.deploy.facts import model_facts
from aicfg.experiments.deploy.settings.checks import check_settings
from aicfg.experiments.deploy.settings.schema import Settings
from aicfg.experiments.deploy.worker import Asked, WorkerType, worker_type
from aicfg.experiments.plans.capacity_figures import WorkPlan
from aicfg.experiments.plans.plan import Plan, PoolPlan
from aicfg.hardware.system import load_system
from aicfg.model_specs.errors import InputError


@dataclass(frozen=True)
class Group:
    """Workers behind one front: aggregated ones, or those that hand caches to one another."""

    name: str
    """``agg`` or ``disagg``."""
    backend: str
    types: tuple[WorkerType, ...]

    @property
    def split(self) -> bool:
        """Whether prefill and decode are apart."""
        return self.name == "disagg"

    def of_role(self, role: str) -> tuple[WorkerType, ...]:
        """Worker types of one role."""
        return tuple(each for each in self.types if each.role == role)


@dataclass(frozen=True)
class Deployment:
    """Everything that files are made of."""

    plan: Plan
    settings: Settings
    model: str
    served_name: str
    name: str
    """DNS-1123 label that every object's name begins with."""
    groups: tuple[Group, ...]
    gpus_per_node: Mapping[str, int]
    """By GPU system."""

    @property
    def types(self) -> tuple[WorkerType, ...]:
        """All worker types."""
        return tuple(each for group in self.groups for each in group.types)

    @property
    def gpus(self) -> int:
        """GPUs of all workers."""
        return sum(each.gpus * each.workers for each in self.types)

    @property
    def largest_node(self) -> int:
        """GPUs of the largest node."""
        return max(self.gpus_per_node.values())

    def group_name(self, group: Group) -> str:
        """Name of a group's objects."""
        return f"{self.name}-{group.name}"

    def port(self, group: Group) -> int:
        """Port on which a group's front answers; a second group has the next one."""
        return self.settings.service.port + self.groups.index(group)


def deployment(plan: Plan, settings: Settings) -> Deployment:
    """What ``plan`` with ``settings`` deploys. Raises ``InputError`` for a plan that holds no workers."""
    if not plan.pools or plan.status not in ("optimal", "feasible"):
        raise InputError(f"plan {plan.experiment}: is {plan.status}: there is nothing to deploy")
    check_settings(settings)
    served = names.plain_text(str(plan.inputs["model"]), "plan: inputs.model")
    model = settings.service.model_path or _in_volume(settings) or served
    gpus_per_node = {
        pool.system: settings.node.num_gpus_per_node or load_system(pool.system).gpus_per_node
        for pool in plan.pools
    }
    types = _types(plan, settings, settings.service.model_path or served, gpus_per_node)
    return Deployment(
        plan=plan,
        settings=settings,
        model=names.plain_text(model, "ServiceConfig.model_path"),
        served_name=settings.service.served_model_name or served,
        name=names.slug(settings.k8s.name_prefix or served, names.MAX_DEPLOYMENT - len("-disagg")),
        groups=_groups(types),
        gpus_per_node=gpus_per_node,
    )


def _types(plan: Plan, settings: Settings, model: str, gpus_per_node: Mapping[str, int]) -> list[WorkerType]:
    workload, serving = plan.inputs["workload"], plan.inputs["serving"]
    served = [(int(workload.get("isl", 0)), int(workload.get("osl", 0)), int(workload.get("prefix") or 0))]
    if plan.capacity is not None:  # what every class needs
        served = [(each.isl, each.osl, each.prefix) for each in plan.capacity.classes]
    asked = Asked(
        isl=max(lengths[0] for lengths in served),
        osl=max(lengths[1] for lengths in served),
        prefix=min(lengths[2] for lengths in served),
        drafts=int((serving.get("speculative") or {}).get("nextn") or 0),
        memory_fraction=serving.get("memory_fraction"),
    )
    facts = model_facts(model, plan.inputs.get("assume_family"))
    count, seen = Counter(pool.role for pool in plan.pools), Counter[str]()
    types = []
    for number, pool in enumerate(plan.pools):
        if plan.capacity is not None:  # the engine's limits are those of the class that needs most
            pool = _for_all_classes(
                pool, [w for c in plan.capacity.classes for w in c.work if w.pool == number]
            )
        name = pool.role if count[pool.role] == 1 else f"{pool.role}-{seen[pool.role]}"
        seen[pool.role] += 1
        params = getattr(settings.params, pool.role)
        types.append(worker_type(name, pool, gpus_per_node[pool.system], asked, facts, params))
    return types


def _for_all_classes(pool: PoolPlan, work: list[WorkPlan]) -> PoolPlan:
    """A pool at the largest batch and chunk of any class that it serves."""
    batch = max((each.batch for each in work), default=pool.batch)
    chunk_tokens = max((each.chunk_tokens or 0 for each in work), default=0) or pool.chunk_tokens
    return replace(pool, batch=batch, chunk_tokens=chunk_tokens)


def _groups(types: list[WorkerType]) -> tuple[Group, ...]:
    groups = []
    for name, members in (
        ("disagg", [each for each in types if each.split]),
        ("agg", [each for each in types if not each.split]),
    ):
        backends = sorted({each.backend for each in members})
        if len(backends) > 1:
            raise InputError(f"plan: {' and '.join(backends)} workers cannot serve behind one front")
        if members:
            groups.append(Group(name, backends[0], tuple(members)))
        if name == "disagg" and members and {each.role for each in members} != {"prefill", "decode"}:
            raise InputError("plan: prefill and decode workers serve together only; one of them is missing")
    return tuple(groups)


def _in_volume(settings: Settings) -> str | None:
    """The model's folder on a mounted volume."""
    k8s = settings.k8s
    if k8s.k8s_model_path_in_pvc is None:
        return None
    if k8s.k8s_pvc_name is None:
        raise InputError("K8sConfig.k8s_model_path_in_pvc: needs K8sConfig.k8s_pvc_name")
    return f"{k8s.k8s_pvc_mount_path.rstrip('/')}/{k8s.k8s_model_path_in_pvc.strip('/')}"
