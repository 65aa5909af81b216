"""Flags of the deployment files: parsed here and handed on."""

from aicfg.experiments.peer.commands.flag import Flag
from aicfg.experiments.peer.requests import kinds
from aicfg.experiments.peer.requests.keys import BACKENDS, Use

_DEPLOY: Use = "deployed"
GENERATOR = (
    Flag(
        ("--deployment-target",),
        kinds.one_of("dynamo-j2", "dynamo-python", "llm-d-helm", "llm-d-kustomize", "fpm"),
        "kind of deployment files",
        use=_DEPLOY,
    ),
    Flag(
        ("--generator-config",),
        kinds.TEXT,
        "YAML of settings of the deployment files",
        use=_DEPLOY,
        metavar="FILE",
    ),
    Flag(
        ("--generator-set",),
        kinds.TEXT,
        "one setting of the deployment files; may be repeated",
        use=_DEPLOY,
        metavar="KEY=VALUE",
        repeated=True,
    ),
    Flag(
        ("--generator-help",),
        kinds.one_of("deploy", "backend", "all"),
        "list these settings and stop",
        use=_DEPLOY,
        optional_value="all",
    ),
    Flag(("--generator-help-backend",), kinds.one_of(*BACKENDS), "those of one engine", use=_DEPLOY),
    Flag(
        ("--generated-config-version", "--config-template-version"),
        kinds.TEXT,
        "engine version of the deployment files",
        use=_DEPLOY,
        metavar="V",
    ),
    Flag(
        ("--generator-dynamo-version", "--dynamo-version"),
        kinds.TEXT,
        "Dynamo version of the deployment files",
        use=_DEPLOY,
        metavar="V",
    ),
    Flag(("--namespace",), kinds.TEXT, "Kubernetes namespace", use=_DEPLOY),
    Flag(
        ("--model-cache",),
        kinds.TEXT,
        "volume that holds the model",
        use=_DEPLOY,
        metavar="NAME[:MOUNT[:SUB]]",
    ),
    Flag(("--transport",), kinds.one_of("nvlink", "ib", "efa"), "network of the KV transfer", use=_DEPLOY),
    Flag(("--image-pull-secret",), kinds.TEXT, "Kubernetes secret for the images", use=_DEPLOY),
)
