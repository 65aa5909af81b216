"""Bad input: each case one clear line (or one a fault), exit code 2, no traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = """\
model: Qwen/Qwen3-32B
workload: {isl: 4000, osl: 500}
sla: {ttft_ms: 300, tpot_ms: 10}
fleet: {system: h100_sxm, gpus: 32}
serving: {backend: vllm}
"""


def with_line(old: str, new: str) -> str:
    """GOOD with one line in place of another."""
    assert old in GOOD
    return GOOD.replace(old, new)


WORKLOAD = "workload: {isl: 4000, osl: 500}"
FLEET = "fleet: {system: h100_sxm, gpus: 32}"
SLA = "sla: {ttft_ms: 300, tpot_ms: 10}"
SERVING = "serving: {backend: vllm}"
NOT_GPUS = "expected a whole number of GPUs from 1 to 100,000"
NOT_TOKENS = "expected a whole number of tokens from 1 to 10,000,000"
NOT_MS = "expected milliseconds above 0"

ALIASES = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
)

CASES: dict[str, tuple[str | bytes, list[str]]] = {
    # the file as such
    "empty": ("", [": the file is empty; expected an experiment"]),
    "only a comment": ("# nothing\n", [": the file is empty"]),
    "only null": ("~\n", [": got nothing; expected a mapping"]),
    "a list": ("- model: x\n", ["got [a mapping]; expected a mapping"]),
    "plain text": ("hello\n", ["got text 'hello'; expected a mapping"]),
    "a number": ("42\n", ["got 42; expected a mapping"]),
    "not YAML": ("model: [Qwen\nworkload: }\n", [": not valid YAML: ", "line 2"]),
    "a tab": ("model:\n\tx: 1\n", [": not valid YAML: ", "line 2"]),
    "control characters": (b"model: \x01\n", [": not valid YAML: "]),
    "NUL bytes": (b"\x00\x00\x00", [": not valid YAML: "]),
    "not UTF-8": (b"model: \xff\xfe\n", [": not UTF-8 text (byte 8)"]),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00", [": not UTF-8 text (byte 1)"]),
    "10 MB": ("# " + "x" * 10_000_000, [": larger than 1,000 kB"]),
    "two documents": (GOOD + "---\n" + GOOD, [":6: a second YAML document begins"]),
    "nesting thousands deep": ("model: " + "[" * 5000, ["nest"]),
    "mappings thousands deep": ("{a: " * 5000, ["nested more than 40 levels deep"]),
    "block lists thousands deep": ("- " * 5000 + "x", ["nested more than 40 levels deep"]),
    "aliases that explode": (ALIASES, ["more than 20,000 values once its aliases are written out"]),
    "an alias of itself": ("model: &m [*m]\n", [":1: the alias '*m' has no anchor that ends before it"]),
    "an unknown alias": ("model: *nowhere\n", [":1: the alias '*nowhere' has no anchor"]),
    "a Python tag": ("model: !!python/object/apply:os.system [ls]\n", [":1: the tag ", "is not supported"]),
    "a merge key": ("<<: {model: x}\n", [":1: merge keys ('<<') are not supported", "'defaults'"]),
    "a list as a key": ("? [a, b]\n: c\n", [":1: a key must be plain text"]),
    "a key given twice": (GOOD + "model: other\n", [":6: model: the key is given twice (first on line 1)"]),
    "an inner key given twice": (
        with_line(WORKLOAD, "workload: {isl: 1, osl: 2, isl: 3}"),
        [":2: workload.isl: the key is given twice"],
    ),
    # keys
    "an unknown key": (GOOD + "modell: x\n", [":6: modell: unknown key; did you mean 'model'?"]),
    "an unknown inner key": (
        with_line(SLA, "sla: {ttfft_ms: 300}"),
        [":3: sla.ttfft_ms: unknown key; did you mean 'ttft_ms'?"],
    ),
    "a key far from any": (
        GOOD + "zzz: 1\n",
        [":6: zzz: unknown key; the keys of an experiment are name, model"],
    ),
    "pools beside a system": (
        with_line(FLEET, "fleet: {system: h100_sxm, gpus: 8, pools: [{system: h100_sxm, gpus: 8}]}"),
        [":4: fleet.pools: given beside system, gpus: keep one of the two"],
    ),
    "no pool": (
        with_line(FLEET, "fleet: {pools: []}"),
        [":4: fleet.pools: got []; expected a list of 1 to 16"],
    ),
    "a pool that is no mapping": (
        with_line(FLEET, "fleet: {pools: [h100_sxm]}"),
        [":4: fleet.pools[0]: got text 'h100_sxm'; expected a mapping with the keys system, gpus, name"],
    ),
    "pools that are no list": (
        with_line(FLEET, "fleet: {pools: {system: h100_sxm, gpus: 8}}"),
        [":4: fleet.pools: got a mapping; expected a list of 1 to 16 pools"],
    ),
    "a pool without GPUs": (
        with_line(FLEET, "fleet: {pools: [{system: h100_sxm, gpus: 8}, {system: h200_sxm}]}"),
        [f":4: fleet.pools[1].gpus: missing; {NOT_GPUS}"],
    ),
    "a pool of no system": (
        with_line(FLEET, "fleet: {pools: [{system: h100_sxm, gpus: 8}, {system: h200_sxn, gpus: 8}]}"),
        ["fleet.pools[1].system: unknown GPU system 'h200_sxn'; did you mean 'h200_sxm'?"],
    ),
    "an unknown key of a pool": (
        with_line(FLEET, "fleet:\n  pools:\n    - {system: h100_sxm, gpus: 8, prize_per_gpu_hour: 2}"),
        [":6: fleet.pools[0].prize_per_gpu_hour: unknown key; did you mean 'price_per_gpu_hour'?"],
    ),
    "a negative price": (
        with_line("gpus: 32", "gpus: 32, price_per_gpu_hour: -1"),
        [":4: fleet.price_per_gpu_hour: got -1; expected a price from 0"],
    ),
    "pools of one name": (
        with_line(FLEET, "fleet: {pools: [{system: h100_sxm, gpus: 8}, {system: h100_sxm, gpus: 8}]}"),
        [":4: fleet.pools[1].name: 'h100_sxm' is the name of fleet.pools[0] too"],
    ),
    "a pool named as a role": (
        with_line(FLEET, "fleet: {pools: [{system: h100_sxm, gpus: 8, name: decode}]}"),
        [":4: fleet.pools[0].name: got 'decode', which is a role"],
    ),
    "no system": (
        with_line("system: h100_sxm, ", ""),
        [":4: fleet.system: missing; expected the name of a GPU system"],
    ),
    "a fleet that is nothing": (
        with_line(FLEET, "fleet:"),
        [":4: fleet: got nothing; expected a mapping with the keys system, gpus"],
    ),
    # objective, load, constraints
    "an unknown objective": (
        GOOD + "objective: tokens\n",
        [":6: objective: got text 'tokens'; expected one of tokens_per_s, gpus, cost, ttft, tpot"],
    ),
    "an objective without a load": (
        GOOD + "objective: gpus\n",
        [": load: missing; objective gpus needs what must be served, such as {requests_per_s: 10}"],
    ),
    "a load that is a number": (
        GOOD + "load: 10\n",
        [":6: load: got 10; expected a mapping with the keys req"],
    ),
    "a load of nothing": (
        GOOD + "load: {requests_per_s: 0}\n",
        [":6: load.requests_per_s: got 0; expected requests/s from 0.001"],
    ),
    "a cost without a price": (
        GOOD + "objective: cost\nload: {requests_per_s: 1}\n",
        [":4: fleet.price_per_gpu_hour: missing; objective cost needs the price of a GPU-hour"],
    ),
    "a constraint that cannot be read": (
        GOOD + "constraints:\n  - decode.tp >= 2\n  - decode.tp >= prefill.tp >= 1\n",
        [":8: constraints[1]: 'decode.tp >= prefill.tp >= 1': expected its end, got '>='"],
    ),
    "a constraint that is a number": (
        GOOD + "constraints: [3]\n",
        [":6: constraints: got [3]; expected a list"],
    ),
    "a constraint on nothing known": (
        GOOD + "constraints: [gpus <= 16, decode.ttp >= 2]\n",
        ["constraints[1]: 'decode.ttp >= 2': 'decode.ttp' is no quantity of a plan; did you mean"],
    ),
    "a constraint that is not linear": (
        GOOD + "constraints: [prefill.tp * decode.tp <= 16]\n",
        ["constraints[0]: 'prefill.tp * decode.tp <= 16': decode.tp * prefill.tp is not linear"],
    ),
    "no model": (with_line("model: Qwen/Qwen3-32B\n", ""), ["model: missing; expected a Hugging Face id"]),
    "no osl": (with_line(WORKLOAD, "workload: {isl: 4000}"), [":2: workload.osl: missing; expected a whole"]),
    "no fleet": (with_line(FLEET, ""), [": fleet: missing; expected a mapping with the keys system, gpus"]),
    "a workload that is a number": (
        with_line(WORKLOAD, "workload: 4000"),
        [":2: workload: got 4000; expected a map"],
    ),
    # lengths
    "a negative length": (with_line("isl: 4000", "isl: -5"), [f":2: workload.isl: got -5; {NOT_TOKENS}"]),
    "a zero length": (with_line("isl: 4000", "isl: 0"), [f":2: workload.isl: got 0; {NOT_TOKENS}"]),
    "no output": (
        with_line("osl: 500", "osl: 0"),
        [":2: workload.osl: got 0; expected a whole number of tokens from 2"],
    ),
    "a length with a fraction": (
        with_line("isl: 4000", "isl: 4000.5"),
        [f"workload.isl: got 4000.5; {NOT_TOKENS}"],
    ),
    "a length as text": (
        with_line("isl: 4000", "isl: '4000'"),
        [f"workload.isl: got text '4000'; {NOT_TOKENS}; write plain decimal digits, without quotes"],
    ),
    "a length as truth": (with_line("isl: 4000", "isl: true"), [f"workload.isl: got true; {NOT_TOKENS}"]),
    "a length as a list": (
        with_line("isl: 4000", "isl: [4000]"),
        [f"workload.isl: got [4000]; {NOT_TOKENS}"],
    ),
    "a length that is nothing": (
        with_line("isl: 4000", "isl: ~"),
        [f"workload.isl: got nothing; {NOT_TOKENS}"],
    ),
    "an octal length": (
        with_line("isl: 4000", "isl: 0o17"),
        [f"workload.isl: got text '0o17'; {NOT_TOKENS}"],
    ),
    "a leading zero": (with_line("isl: 4000", "isl: 010"), [f"workload.isl: got text '010'; {NOT_TOKENS}"]),
    "base sixty": (with_line("isl: 4000", "isl: 1:30"), [f"workload.isl: got text '1:30'; {NOT_TOKENS}"]),
    "underscores": (with_line("isl: 4000", "isl: 4_000"), [f"workload.isl: got text '4_000'; {NOT_TOKENS}"]),
    "an exponent": (with_line("isl: 4000", "isl: 4e3"), [f"workload.isl: got 4000.0; {NOT_TOKENS}"]),
    "past the context": (
        with_line("isl: 4000", "isl: 500000"),
        ["workload: got isl + osl = 500000 + 500 = 500500 tokens; expected at most 40960, the context of"],
    ),
    "a prefix as long as the prompt": (
        with_line("osl: 500", "osl: 500, prefix: 4000"),
        [":2: workload.prefix: got 4000; expected fewer than the isl of 4000 tokens"],
    ),
    "a negative prefix": (
        with_line("osl: 500", "osl: 500, prefix: -1"),
        [":2: workload.prefix: got -1; expected a"],
    ),
    # bounds
    "a bound of zero": (with_line("ttft_ms: 300", "ttft_ms: 0"), [f":3: sla.ttft_ms: got 0; {NOT_MS}"]),
    "a negative bound": (with_line("tpot_ms: 10", "tpot_ms: -1.5"), [f":3: sla.tpot_ms: got -1.5; {NOT_MS}"]),
    "NaN": (with_line("tpot_ms: 10", "tpot_ms: .nan"), [f":3: sla.tpot_ms: got nan; {NOT_MS}"]),
    "infinity": (with_line("tpot_ms: 10", "tpot_ms: .inf"), [f":3: sla.tpot_ms: got inf; {NOT_MS}"]),
    "a bound beyond floats": (
        with_line("tpot_ms: 10", "tpot_ms: 1e999"),
        [f":3: sla.tpot_ms: got inf; {NOT_MS}"],
    ),
    "a bound as a word": (
        with_line("tpot_ms: 10", "tpot_ms: no"),
        [f":3: sla.tpot_ms: got text 'no'; {NOT_MS}"],
    ),
    "a bound as truth": (with_line("tpot_ms: 10", "tpot_ms: true"), [f":3: sla.tpot_ms: got true; {NOT_MS}"]),
    "a request bound beside tpot": (
        with_line("tpot_ms: 10", "tpot_ms: 10, request_latency_ms: 5000"),
        [":3: sla.request_latency_ms: given beside tpot_ms (10); it stands in its place"],
    ),
    "a first token after the whole request": (
        with_line(SLA, "sla: {ttft_ms: 300, request_latency_ms: 200}"),
        [":3: sla.ttft_ms: got 300; expected at most the request_latency_ms of 200"],
    ),
    # fleet
    "no GPU": (with_line("gpus: 32", "gpus: 0"), [f":4: fleet.gpus: got 0; {NOT_GPUS}"]),
    "fewer than no GPU": (with_line("gpus: 32", "gpus: -8"), [f":4: fleet.gpus: got -8; {NOT_GPUS}"]),
    "absurdly many GPUs": (
        with_line("gpus: 32", "gpus: 1" + "0" * 30),
        [f":4: fleet.gpus: got a number of 31 digits; {NOT_GPUS}"],
    ),
    "thousands of digits": (
        with_line("gpus: 32", "gpus: " + "9" * 5000),
        [f":4: fleet.gpus: got inf; {NOT_GPUS}"],
    ),
    "an unknown system": (
        with_line("h100_sxm", "h100_sxn"),
        ["fleet.system: unknown GPU system 'h100_sxn'; did you mean 'h100_sxm'?"],
    ),
    "a system without tables": (with_line("h100_sxm", "l4"), ["serving: no tables for system 'l4'"]),
    # model and serving
    "an unknown model": (with_line("Qwen/Qwen3-32B", "Qwen/Qwen3-33B"), [": model: ", "Qwen/Qwen3-32B"]),
    "an empty model": (
        with_line("Qwen/Qwen3-32B", "''"),
        [":1: model: got text ''; expected a Hugging Face id"],
    ),
    "a model that is a number": (
        with_line("Qwen/Qwen3-32B", "32"),
        [":1: model: got 32; expected a Hugging Face"],
    ),
    "an unknown backend": (
        with_line(SERVING, "serving: {backend: vlm}"),
        [":5: serving.backend: got text 'vlm'; expected one of vllm, sglang, trtllm; did you mean 'vllm'?"],
    ),
    "an unknown version": (
        with_line(SERVING, "serving: {version: '9.9'}"),
        ["serving: no tables for vllm 9.9 on h100"],
    ),
    "a version as a number": (
        with_line(SERVING, "serving: {version: 0.24}"),
        ["serving.version: got 0.24; expected text in"],
    ),
    "an unknown mode": (
        with_line(SERVING, "serving: {mode: dissag}"),
        [
            ":5: serving.mode: got text 'dissag'; expected one of auto, agg, disagg, mixed; did you mean"
            " 'disagg'?"
        ],
    ),
    "a folder of systems that is none": (
        with_line(SERVING, "serving: {systems_paths: [default, /no/where]}"),
        ["serving.systems_paths: ", "/no/where is no folder"],
    ),
    "an unknown format": (
        with_line(SERVING, "serving: {quant: {gemm: fp9}}"),
        [":5: serving.quant.gemm: 'fp9' is not a format; accepted: bfloat16"],
    ),
    "a format without tables": (
        with_line(SERVING, "serving: {quant: {fmha: fp8}}"),
        [": serving.quant: fmha 'fp8' "],
    ),
    "a component that is none": (
        with_line(SERVING, "serving: {quant: {gem: fp8}}"),
        ["unknown key; did you mean 'gemm'?"],
    ),
    "no type a role": (
        with_line(SERVING, "serving: {types_per_role: 0}"),
        ["serving.types_per_role: got 0; expected a whole number from 1 to 64, or any"],
    ),
    "a degree that is no list": (
        with_line(SERVING, "serving: {search: {decode: {tp: 4}}}"),
        [":5: serving.search.decode.tp: got 4; expected a list of whole numbers"],
    ),
    "no degree at all": (
        with_line(SERVING, "serving: {search: {decode: {tp: []}}}"),
        ["search.decode.tp: got []; expected"],
    ),
    "a degree of zero": (
        with_line(SERVING, "serving: {search: {agg: {tp: [0]}}}"),
        ["search.agg.tp: got [0]; expected"],
    ),
    "an unknown data mode": (
        with_line(SERVING, "serving: {data_mode: hybird}"),
        [":5: serving.data_mode: got text 'hybird'; expected one of silicon, hybrid, empirical, sol"],
    ),
    "a memory fraction beyond all": (
        with_line(SERVING, "serving: {memory_fraction: 90}"),
        [":5: serving.memory_fraction: got 90; expected a share above 0, up to 1"],
    ),
    "no memory at all": (
        with_line(SERVING, "serving: {memory_fraction: 0}"),
        [":5: serving.memory_fraction: got 0; expected a share above 0, up to 1"],
    ),
    "drafts of which nobody says how many are kept": (
        with_line(SERVING, "serving: {speculative: {nextn: 2}}"),
        [":5: serving.speculative.accepted: missing; expected how many of the 2 draft tokens a step keeps"],
    ),
    "more drafts kept than made": (
        with_line(SERVING, "serving: {speculative: {nextn: 2, accepted: 2.5}}"),
        [":5: serving.speculative.accepted: got 2.5; expected at most the nextn of 2"],
    ),
    "fewer rates than drafts": (
        with_line(SERVING, "serving: {speculative: {nextn: 3, acceptance_rates: [0.8, 0.5]}}"),
        [":5: serving.speculative.acceptance_rates: got 2 of them; expected one for each of the 3"],
    ),
    "a rate above one": (
        with_line(SERVING, "serving: {speculative: {nextn: 1, acceptance_rates: [1.5]}}"),
        [":5: serving.speculative.acceptance_rates: got [1.5]; expected a list of shares from 0 to 1"],
    ),
    "drafts kept twice over": (
        with_line(SERVING, "serving: {speculative: {nextn: 1, accepted: 0.8, acceptance_rates: [0.8]}}"),
        [":5: serving.speculative.acceptance_rates: given beside accepted: keep one of the two"],
    ),
    "rates of no draft": (
        with_line(SERVING, "serving: {speculative: {acceptance_rates: [0.8]}}"),
        ["serving.speculative.nextn: missing beside acceptance_rates"],
    ),
    "a list of batches beside the largest": (
        with_line(SERVING, "serving: {search: {decode: {batch: [8], max_batch: 8}}}"),
        [":5: serving.search.decode.max_batch: given beside batch: keep one of the two"],
    ),
    "batches that no layout holds": (
        with_line(SERVING, "serving: {mode: agg, search: {agg: {tp: [1], pp: [1], batch: [500]}}}"),
        ["serving.search.agg.batch: no layout holds any of the batches 500"],
    ),
    "a size of worker that is no list": (
        with_line(SERVING, "serving: {search: {decode: {gpus_per_worker: 8}}}"),
        [":5: serving.search.decode.gpus_per_worker: got 8; expected a list of whole numbers"],
    ),
    "no worker that can be": (
        with_line(SERVING, "serving: {mode: agg, search: {agg: {tp: [3]}}}"),
        ["serving: no worker can be priced: tp3"],
    ),
    "an unknown profile": (
        GOOD + "profile: aiconfigurator-0.13\n",
        ["profile: unknown profile 'aiconfigurator-0.13'; did you mean 'aiconfigurator-0.12'?"],
    ),
    "a name that leaves the folder": (
        GOOD + "name: ../../etc\n",
        [":6: name: got text '../../etc'; expected up to 100"],
    ),
    # several experiments
    "no experiment": (
        "experiments: {}\n",
        [":1: experiments: got 0 experiments; expected a mapping of 1 to 1,000"],
    ),
    "experiments in a list": ("experiments: [a]\n", [":1: experiments: got [text 'a']; expected a mapping"]),
    "defaults alone": ("defaults: {model: x}\n", [":1: defaults: only of use beside 'experiments'"]),
    "a shared key beside experiments": (
        "model: x\nexperiments: {a: {}}\n",
        [":1: model: beside 'experiments' only 'defaults' is accepted"],
    ),
    "a fault in the defaults": (
        "defaults:\n  workload: {isl: 0}\nexperiments: {a: {}}\n",
        [f":2: defaults.workload.isl: got 0; {NOT_TOKENS}", ":3: experiments.a.model: missing"],
    ),
    "a fault in one experiment": (
        f"defaults: {{model: x, {WORKLOAD}, {FLEET}}}\nexperiments:\n  a:\n  b: {{sla: {{tpot_ms: 0}}}}\n",
        [f":4: experiments.b.sla.tpot_ms: got 0; {NOT_MS}"],
    ),
    "a name inside": ("experiments: {a: {name: b}}\n", [":1: experiments.a.name: its key is its name"]),
    "an experiment that is a number": (
        "experiments: {a: 3}\n",
        [":1: experiments.a: got 3; expected a mapping"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_file(case: str, run: Callable[..., Any], write: Callable[..., Path]) -> None:
    """A bad file ends with exit code 2 and says file, key, what was given and what is accepted."""
    content, parts = CASES[case]
    path = write(content)
    code, out, err = run("solve", path)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert all(line.startswith(f"aicfg: error: {path}") for line in err.splitlines())
    for part in parts:
        assert part in err


def test_all_faults_of_a_file_are_reported_together(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    """Three faults give three lines, in the order of the schema."""
    path = write(with_line("osl: 500", "osl: x").replace("tpot_ms: 10", "tpot_ms: 0") + "zzz: 1\n")
    _, _, err = run("solve", path)
    assert [line.split(": ")[3] for line in err.splitlines()] == ["zzz", "workload.osl", "sla.tpot_ms"]


def test_faults_of_several_files_are_reported_together(
    run: Callable[..., Any], write: Callable[..., Path]
) -> None:
    """A fault in each of two files gives two lines, whether the schema or a name is at fault."""
    first = write(with_line("gpus: 32", "gpus: 0"), "first.yaml")
    second = write(with_line("h100_sxm", "h1"), "second.yaml")
    code, _, err = run("solve", first, second)
    assert code == 2
    assert [line.split(":")[2].strip() for line in err.splitlines()] == [str(first), str(second)]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["solve", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["solve", "."], ".: is a folder; expected a YAML file"),
        (["solve", "a\0b.yaml"], "cannot be read"),
        (["solve"], "the following arguments are required: FILE"),
        (["slove", "x.yaml"], "invalid choice: 'slove'"),
        (["solve", "x.yaml", "--engin", "highs", "--what"], "unrecognized arguments: --what"),
        (["solve", "x.yaml", "--engine", "gurobi"], "invalid choice: 'gurobi'"),
        (["solve", "x.yaml", "--time-limit", "-1"], "got '-1'; expected seconds above 0"),
        (["solve", "x.yaml", "--time-limit", "nan"], "got 'nan'; expected seconds above 0"),
        ([], "the following arguments are required: COMMAND"),
        (["tables", "list", "--system", "h1000"], "unknown GPU system 'h1000'; did you mean 'h100'?"),
        (["tables", "list", "--backend", "vlm"], "did you mean 'vllm'?"),
        (["tables", "import", "nowhere", "--out", "out"], "nowhere: no such folder"),
        (["tables", "import", "x", "--system", "h100_sxm"], "--system and --backend need --out"),
    ],
)
def test_bad_words(
    words: list[str], part: str, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad command line ends with exit code 2 and one line."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert part in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("sla.tpot_ms", "--set sla.tpot_ms: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("sla..x=3", "--set sla..x=3: expected key=value"),
        ("sla.tpott_ms=3", "sla.tpott_ms: unknown key; did you mean 'tpot_ms'?"),
        ("fleet.gpus=[1", "--set fleet.gpus: not valid YAML"),
        ("fleet.gpus=0", f"fleet.gpus: got 0; {NOT_GPUS}"),
        ("fleet.gpus=", f"fleet.gpus: got nothing; {NOT_GPUS}"),
        ("model.name=x", "model: got a mapping; expected a Hugging Face id"),
    ],
)
def test_bad_setting(setting: str, part: str, run: Callable[..., Any], write: Callable[..., Path]) -> None:
    """A bad --set says what is wrong with it."""
    code, _, err = run("solve", write(GOOD), "--set", setting)
    assert code == 2
    assert part in err


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"experiments: {a: 3}"])
def test_bad_file_in_a_process_of_its_own(content: bytes, write: Callable[..., Path]) -> None:
    """The process itself ends with 2 and no traceback, even for input that could exhaust a parser's stack."""
    done = subprocess.run(
        [sys.executable, "-m", "aicfg", "solve", str(write(content))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("aicfg: error: ")
