"""The flags of AIConfigurator's commands, and what becomes of each.

A flag sets a key of the flat experiment, or an option of the call. Those of the deployment files are parsed
here and handed on; those that select an implementation of AIConfigurator's own are accepted and mean
nothing.
"""

from aicfg.experiments.peer.commands.flag import Flag, key_flag
from aicfg.experiments.peer.commands.generator_flags import GENERATOR
from aicfg.experiments.peer.requests import kinds
from aicfg.experiments.peer.requests.keys import BACKENDS, DATABASE_MODES

NUMBER = kinds.whole(1, 1000)


MODEL = Flag(
    ("--model-path", "--model"),
    kinds.TEXT,
    "Hugging Face id, folder, or config.json",
    "model_path",
    group="what to serve",
    metavar="ID",
    required=True,
)
TOTAL_GPUS = key_flag("--total-gpus", "total_gpus", "GPUs of the budget", "what to serve", "N")
SYSTEM = Flag(
    ("--system",),
    kinds.TEXT,
    "GPU system, such as h100_sxm",
    "system_name",
    group="what to serve",
    metavar="NAME",
    required=True,
)
BACKEND = Flag(
    ("--backend",),
    kinds.one_of(*BACKENDS, "auto", "any"),
    "serving engine, or auto to compare all (default trtllm)",
    "backend_name",
    group="what to serve",
)
ONE_BACKEND = Flag(
    ("--backend",),
    kinds.one_of(*BACKENDS),
    "serving engine (default trtllm)",
    "backend_name",
    group="what to serve",
)
VERSION = Flag(
    ("--backend-version", "--perf-db-version"),
    kinds.TEXT,
    "engine version of the tables (default: the current one)",
    "backend_version",
    metavar="V",
)
PROFILE = key_flag("--profile", "profile", "coefficients of the performance model", "output", "NAME")
ASSUME = Flag(
    ("--assume-family",), kinds.TEXT, "take an unknown model for one of this family", metavar="NAME"
)

WORKLOAD = (
    key_flag("--isl", "isl", "input tokens (default 4000)", "agreement", "N"),
    key_flag("--osl", "osl", "output tokens (default 1000)", "agreement", "N"),
    key_flag("--prefix", "prefix", "of these, tokens in the prefix cache (default 0)", "agreement", "N"),
)
LATENCIES = (
    key_flag("--ttft", "ttft", "time to the first token, ms (default 1000; or none)", "agreement", "MS"),
    key_flag("--tpot", "tpot", "time per output token, ms (default 40; or none)", "agreement", "MS"),
    key_flag("--request-latency", "request_latency", "a whole request, ms; replaces tpot", "agreement", "MS"),
)
DRAFTS = (
    key_flag("--nextn", "nextn", "draft tokens a step (MTP), or auto", metavar="N"),
    key_flag("--nextn-accepted", "nextn_accepted", "of these, kept on average", metavar="X"),
)
DATA = (
    Flag(
        ("--database-mode",),
        kinds.one_of(*DATABASE_MODES),
        "what latencies rest on (default SILICON: measured tables)",
        "database_mode",
    ),
    key_flag("--transfer-policy", "transfer_policy", "accepted; estimates transfer in one way here"),
)
MEMORY = (
    key_flag(
        "--free-gpu-memory-fraction",
        "free_gpu_memory_fraction",
        "share of memory the engine may use",
        metavar="X",
    ),
    key_flag("--max-seq-len", "max_seq_len", "longest sequence that the servers take", metavar="N"),
)
KERNELS = (
    Flag(
        ("--enable-chunked-prefill",),
        kinds.SWITCH,
        "aggregated steps may hold part of a prompt",
        "enable_chunked_prefill",
    ),
    Flag(
        ("--enable-wideep",),
        kinds.SWITCH,
        "accepted; wide expert parallelism is always searched",
        "enable_wideep",
        "ignored",
    ),
    key_flag("--moe-backend", "moe_backend", "exchange of experts: deepep_moe, megamoe"),
    key_flag("--attention-backend", "attention_backend", "attention kernel, for the deployment files"),
)
VISION = (
    key_flag("--image-height", "image_height", "accepted; not modelled", metavar="N"),
    key_flag("--image-width", "image_width", "accepted; not modelled", metavar="N"),
    key_flag("--num-images", "num_images_per_request", "accepted; not modelled", metavar="N"),
)
ENCODER = (
    key_flag("--disable-encoder-dp", "enable_encoder_dp", "accepted; not modelled", negated=True),
    key_flag("--enable-epd", "enable_epd", "accepted; not modelled"),
    key_flag("--encoder-tp", "encoder_tp_candidates", "accepted; not modelled", metavar="N"),
    key_flag("--encoder-system", "encoder_system_name", "accepted; not modelled"),
    key_flag("--encoder-latency-correction", "encoder_latency_correction", "accepted; not modelled"),
)
AFD = (
    Flag(
        ("--afd-max-a-batch-size",),
        kinds.SIZE,
        "accepted; not modelled",
        "afd_max_a_batch_size",
        "not modelled",
    ),
    Flag(
        ("--afd-max-candidates",), kinds.COUNT, "accepted; not modelled", "afd_max_candidates", "not modelled"
    ),
    Flag(
        ("--afd-candidate-overflow",),
        kinds.one_of("error", "truncate"),
        "accepted; not modelled",
        "afd_candidate_overflow",
        "not modelled",
    ),
)
LOAD = (
    Flag(
        ("--target-request-rate",),
        kinds.RATE,
        "requests/s to serve: fewest GPUs",
        group="agreement",
        metavar="R",
    ),
    Flag(
        ("--target-concurrency",),
        kinds.GPUS,
        "requests in flight to serve: fewest GPUs",
        group="agreement",
        metavar="N",
    ),
)
STRICT = key_flag("--strict-sla", "strict_sla", "keep to the agreement on the frontier too")
INCLUSIVE = Flag(
    ("--inclusive-tpot",), kinds.SWITCH, "show TPOT with the first token spread over all", use="shown"
)
SERVING_MODE = Flag(
    ("--serving-mode",),
    kinds.one_of("auto", "all", "agg", "disagg", "afd"),
    "auto compares agg and disagg",
    group="what to serve",
)
DECODE_SYSTEM = Flag(
    ("--decode-system",), kinds.TEXT, "GPU system of the decode workers", "decode_system_name", metavar="NAME"
)
FORCE = Flag(
    ("--force",),
    kinds.SWITCH,
    "where the model does not fit: the files for the GPUs that it takes",
    use="shown",
)
YAML_PATH = Flag(
    ("--yaml-path",),
    kinds.TEXT,
    "experiments in AIConfigurator's YAML, flat or nested",
    group="what to serve",
    metavar="FILE",
    required=True,
)

COMMON = (
    Flag(
        ("--save-dir",),
        kinds.TEXT,
        "write the results into a folder of it",
        use="shown",
        group="output",
        metavar="DIR",
    ),
    Flag(("--top-n",), NUMBER, "rows of each table (default 5)", use="shown", group="output", metavar="N"),
    Flag(("--no-color",), kinds.SWITCH, "accepted; the report is plain text", use="shown"),
    Flag(
        ("--log-level",),
        kinds.one_of("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"),
        "accepted; the report is no log",
        use="shown",
    ),
    Flag(("--debug",), kinds.SWITCH, "a traceback where something is wrong", use="shown"),
    Flag(
        ("--systems-paths",),
        kinds.TEXT,
        "folders of systems and tables; default: the shipped ones",
        metavar="A,B",
    ),
    Flag(("--engine-step-backend",), kinds.TEXT, "accepted and ignored", use="ignored"),
    Flag(("--forward-model",), kinds.TEXT, "accepted and ignored", use="ignored"),
    ASSUME,
)
OWN = (
    PROFILE,
    Flag(
        ("--print-experiment",),
        kinds.SWITCH,
        "print it for aicfg solve, and stop",
        use="shown",
        group="output",
    ),
    Flag(("--json",), kinds.SWITCH, "print the plans as JSON and nothing else", use="shown", group="output"),
    Flag(("--flat",), kinds.SWITCH, "write into --save-dir itself", use="shown"),
    Flag(
        ("--allow-violation",), kinds.SWITCH, "where nothing is feasible, show the nearest plan", use="shown"
    ),
    Flag(("--fail-on-any",), kinds.SWITCH, "exit 4 when any experiment fails", use="shown"),
    Flag(("--engine",), kinds.one_of("highs", "cpsat", "pyomo", "both"), "solver (default highs)"),
    Flag(("--time-limit",), kinds.RATE, "stop a solve after S seconds", metavar="S"),
)

COMMANDS: dict[str, tuple[Flag, ...]] = {
    "default": (
        *(MODEL, SYSTEM, TOTAL_GPUS, BACKEND, SERVING_MODE, *WORKLOAD, *LATENCIES, *LOAD),
        *(*COMMON, *OWN, DECODE_SYSTEM, VERSION, *DATA, STRICT, INCLUSIVE, *DRAFTS, *MEMORY, *KERNELS),
        *(*GENERATOR, *VISION, *ENCODER, *AFD),
    ),
    "recommend": (
        *(MODEL, SYSTEM, BACKEND, *LOAD, *WORKLOAD, *LATENCIES),
        *(*COMMON, *OWN, DECODE_SYSTEM, VERSION, *DATA, STRICT, *DRAFTS, *MEMORY, *KERNELS),
        *(*GENERATOR, *VISION),
    ),
    "exp": (YAML_PATH, *COMMON, *OWN, INCLUSIVE, KERNELS[-1], *GENERATOR),
    "generate": (
        *(MODEL, SYSTEM, TOTAL_GPUS, ONE_BACKEND, *COMMON, *OWN[:3], FORCE),
        *GENERATOR,
    ),
}
