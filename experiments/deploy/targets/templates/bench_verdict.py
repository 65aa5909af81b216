"""Whether a load test met its service-level agreement.

bench_verdict.py RESULTS [--ttft-ms A] [--tpot-ms B] [--request-latency-ms C] [--tokens-per-s T]
                         [--concurrency N]

Reads RESULTS/<concurrency>/profile_export_aiperf.json of each run; the verdict is that of the plan's own
concurrency (means, as the plan states them). Exit status: 0 met, 1 missed, 2 no results.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

METRICS = {
    "ttft_ms": "time_to_first_token",
    "tpot_ms": "inter_token_latency",
    "request_latency_ms": "request_latency",
}


def main() -> int:
    """Print every run; the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--tokens-per-s", type=float)
    for name in METRICS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float)
    asked = parser.parse_args()
    met = None
    for folder in sorted(asked.results.iterdir(), key=lambda path: path.name.zfill(9)):
        export = folder / "profile_export_aiperf.json"
        if not export.is_file():
            continue
        found = json.loads(export.read_text())
        own = folder.name == str(asked.concurrency)
        print(f"concurrency {folder.name}{' (the plan)' if own else ''}:")
        missed = [name for name in METRICS if not show(name, found, getattr(asked, name))]
        rate = found.get("output_token_throughput", {}).get("avg")
        if rate is not None:
            said = f" (the plan says {asked.tokens_per_s:,.0f})" if own and asked.tokens_per_s else ""
            print(f"  output tokens/s {rate:,.1f}{said}")
        if own:
            met = not missed
    if met is None:
        print(f"no results of concurrency {asked.concurrency} in {asked.results}", file=sys.stderr)
        return 2
    print(f"SLA {'met' if met else 'MISSED'} at concurrency {asked.concurrency}")
    return 0 if met else 1


def show(name: str, found: dict[str, Any], bound: float | None) -> bool:
    """Print one metric; whether it keeps its bound."""
    values = found.get(METRICS[name])
    if not values:
        print(f"  {name}: not measured")
        return bound is None
    mean = values["avg"]
    rest = ", ".join(f"{key} {values[key]:,.2f}" for key in ("p50", "p99") if values.get(key) is not None)
    verdict = "" if bound is None else f"; at most {bound:g}: {'met' if mean <= bound else 'MISSED'}"
    print(f"  {name}: mean {mean:,.2f} ({rest}){verdict}")
    return bound is None or mean <= bound


if __name__ == "__main__":
    sys.exit(main())
