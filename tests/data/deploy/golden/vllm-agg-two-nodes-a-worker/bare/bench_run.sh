#!/usr/bin/env bash
# Load test of the deployment (pip install aiperf==0.13.0): bench_run.sh [URL] [RESULTS]
set -euo pipefail
url=${1:-http://localhost:8000}
results=$(realpath -m "${2:-bench_results}")
cd "$(dirname "${BASH_SOURCE[0]}")"
for concurrency in 128 256 512 730 768 806; do
  aiperf profile \
    --model deepseek-ai/DeepSeek-V3 \
    --tokenizer deepseek-ai/DeepSeek-V3 \
    --url "${url}" \
    --endpoint-type chat \
    --streaming \
    --synthetic-input-tokens-mean 4000 \
    --synthetic-input-tokens-stddev 0 \
    --output-tokens-mean 500 \
    --output-tokens-stddev 0 \
    --extra-inputs ignore_eos:true \
    --concurrency "${concurrency}" \
    --request-count "$((concurrency * 10))" \
    --warmup-request-count "${concurrency}" \
    --random-seed 1 \
    --artifact-dir "${results}/${concurrency}"
done
python3 ./bench_verdict.py \
  "${results}" \
  --concurrency 768 \
  --ttft-ms 1000 \
  --tpot-ms 40 \
  --tokens-per-s 1000
