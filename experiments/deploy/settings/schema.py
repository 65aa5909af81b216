"""What a user may set beside the plan: the generator's own schema.

Sections and keys are those that AIConfigurator's users know. What a plan decides (degrees, workers) is not
here: ``reading.py`` accepts such keys only as the plan has them. A field's description is both the
help text and what an error message says would be accepted.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=1024, description="text")]
Count = Annotated[int, Meta(ge=1, le=10_000_000, description="a whole number from 1")]
Port = Annotated[int, Meta(ge=1, le=65_535, description="a port from 1 to 65,535")]
Switch = Annotated[bool, Meta(description="true or false")]
FlagValue = bool | int | float | str | list[int | float | str]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the settings: strict and unchangeable."""


class Service(Section, frozen=True, kw_only=True):
    """What is served, and where."""

    model_path: Annotated[Text | None, Meta(title="Model to load, in place of the plan's")] = None
    served_model_name: Annotated[Text | None, Meta(title="Name in requests; the plan's model by default")] = (
        None
    )
    head_node_ip: Annotated[
        Text | None, Meta(title="Address of node 0; else HEAD_NODE_IP when scripts run")
    ] = None
    port: Annotated[Port, Meta(title="Port that clients use")] = 8000
    worker_port: Annotated[Port, Meta(title="Port of a node's first worker; the next ones are 100 apart")] = (
        8100
    )
    bootstrap_port: Annotated[Port, Meta(title="SGLang: KV handshake of a node's first prefill worker")] = (
        12000
    )
    vllm_nixl_side_channel_port: Annotated[
        Port, Meta(title="vLLM: KV handshake of a node's first worker")
    ] = 20097
    trust_remote_code: Annotated[Switch, Meta(title="Run code that comes with the model")] = False


class Dyn(Section, frozen=True, kw_only=True):
    """Dynamo's frontend."""

    router_mode: Annotated[
        Literal["round-robin", "random", "power-of-two", "least-loaded", "kv"],
        Meta(title="How requests are spread"),
    ] = "round-robin"


class K8s(Section, frozen=True, kw_only=True):
    """The cluster."""

    name_prefix: Annotated[Text | None, Meta(title="Begins every name; the model's by default")] = None
    k8s_namespace: Annotated[Text | None, Meta(title="Namespace; left out: kubectl's")] = None
    k8s_image: Annotated[Text | None, Meta(title="Dynamo runtime image")] = None
    engine_image: Annotated[Text | None, Meta(title="Image of the plain servers")] = None
    k8s_image_pull_secret: Annotated[Text | None, Meta(title="Secret that pulls images")] = None
    hf_token_secret: Annotated[Text, Meta(title="Secret that holds HF_TOKEN")] = "hf-token-secret"
    k8s_pvc_name: Annotated[Text | None, Meta(title="Volume claim with models")] = None
    k8s_pvc_mount_path: Annotated[Text, Meta(title="Where it is mounted")] = "/workspace/model_cache"
    k8s_model_path_in_pvc: Annotated[Text | None, Meta(title="The model's folder on it")] = None
    k8s_hf_home: Annotated[Text | None, Meta(title="HF_HOME")] = None
    shared_memory_size: Annotated[Text, Meta(title="Shared memory of a pod")] = "80Gi"
    transport: Annotated[Literal["nvlink", "ib", "efa"], Meta(title="Network device that pods ask for")] = (
        "nvlink"
    )
    api_version: Annotated[
        Literal["v1beta1", "v1alpha1"], Meta(title="API version of the DynamoGraphDeployment")
    ] = "v1beta1"
    extra_env: Annotated[
        dict[str, str], Meta(title="Variables for every worker", description="a mapping of names to text")
    ] = {}


class EngineParams(Section, frozen=True, kw_only=True):
    """Settings of one role's servers, in place of what the plan makes of them."""

    max_batch_size: Annotated[Count | None, Meta(title="Requests of one attention rank")] = None
    max_num_tokens: Annotated[Count | None, Meta(title="Tokens a step of one attention rank")] = None
    max_seq_len: Annotated[Count | None, Meta(title="Longest prompt with its output")] = None
    kv_cache_dtype: Annotated[Text | None, Meta(title="KV cache format, as the engine calls it")] = None
    quantization: Annotated[Text | None, Meta(title="Weight format, as the engine calls it")] = None
    memory_fraction: Annotated[
        Annotated[float, Meta(gt=0, le=1, description="a share above 0, up to 1")] | None,
        Meta(title="Share of a GPU's memory"),
    ] = None
    block_size: Annotated[Count | None, Meta(title="Tokens of a KV block")] = None
    enable_prefix_caching: Annotated[Switch | None, Meta(title="On with a prefix, else off, by default")] = (
        None
    )
    cuda_graph_batch_sizes: Annotated[
        Annotated[list[Count], Meta(min_length=1, max_length=512, description="a list of whole numbers")]
        | None,
        Meta(title="Batches with a CUDA graph"),
    ] = None
    all_to_all_backend: Annotated[Text | None, Meta(title="Exchange between experts")] = None
    moe_backend: Annotated[Text | None, Meta(title="Kernels of the experts")] = None
    kv_transfer: Annotated[Text | None, Meta(title="Connector between prefill and decode")] = None
    extra_args: Annotated[
        dict[str, FlagValue],
        Meta(title="More flags (TensorRT-LLM: engine keys)", description="a mapping of flags to values"),
    ] = {}


class Params(Section, frozen=True, kw_only=True):
    """Engine settings by role."""

    agg: EngineParams = EngineParams()
    prefill: EngineParams = EngineParams()
    decode: EngineParams = EngineParams()


class Node(Section, frozen=True, kw_only=True):
    """The machines."""

    num_gpus_per_node: Annotated[Count | None, Meta(title="GPUs of a node, in place of the system's")] = None


class Bench(Section, frozen=True, kw_only=True):
    """The load test."""

    name: Annotated[Text | None, Meta(title="Name of the job")] = None
    image: Annotated[Text, Meta(title="Image that runs it")] = "python:3.12-slim"
    concurrency: Annotated[
        Annotated[list[Count], Meta(min_length=1, max_length=64, description="a list of whole numbers")]
        | None,
        Meta(title="Requests in flight; around the plan's by default"),
    ] = None
    requests_per_concurrency: Annotated[Count, Meta(title="Requests sent for each in flight")] = 10
    isl_stddev: Annotated[
        int, Meta(ge=0, description="a whole number from 0", title="Spread of the prompts")
    ] = 0
    osl_stddev: Annotated[
        int, Meta(ge=0, description="a whole number from 0", title="Spread of the outputs")
    ] = 0
    endpoint_type: Annotated[Literal["chat", "completions"], Meta(title="Which API")] = "chat"


class Llmd(Section, frozen=True, kw_only=True):
    """llm-d's Helm chart."""

    vllm_image: Annotated[Text | None, Meta(title="vLLM image")] = None
    model_cache_size: Annotated[Text, Meta(title="Size of the model's volume")] = "100Gi"
    model_mount_path: Annotated[Text, Meta(title="Where it is mounted")] = "/model-cache"
    routing_proxy_enabled: Annotated[Switch, Meta(title="Side-car that asks prefill before decode")] = True
    routing_proxy_image: Annotated[Text, Meta(title="Its image")] = (
        "ghcr.io/llm-d/llm-d-routing-sidecar:v0.8.0"
    )
    routing_connector: Annotated[Literal["nixlv2", "lmcache"], Meta(title="Its protocol")] = "nixlv2"
    monitoring_enabled: Annotated[Switch, Meta(title="Pod monitors")] = False
    accelerator_type: Annotated[Text, Meta(title="Kind of accelerator")] = "nvidia"


_SECTIONS = {
    "service": "ServiceConfig",
    "dynamo": "DynConfig",
    "k8s": "K8sConfig",
    "node": "NodeConfig",
    "bench": "BenchConfig",
    "llmd": "LlmdConfig",
}


class Settings(Section, frozen=True, kw_only=True, rename=_SECTIONS):
    """Everything beside the plan."""

    service: Service = Service()
    dynamo: Dyn = Dyn()
    k8s: K8s = K8s()
    node: Node = Node()
    bench: Bench = Bench()
    llmd: Llmd = Llmd()
    params: Params = Params()
    generated_config_version: Annotated[Text | None, Meta(title="Engine version to write for")] = None
    generator_dynamo_version: Annotated[Text | None, Meta(title="Dynamo version to write for")] = None
