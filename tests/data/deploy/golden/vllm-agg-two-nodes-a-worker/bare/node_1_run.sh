#!/usr/bin/env bash
# Node 1 of 4 (h200_sxm): agg-0-rank-1
# aicfg-gpus: 8
set -euo pipefail

: "${HEAD_NODE_IP:?address of node 0}"

# Every server runs in the background; when one of them ends, the rest is stopped.
pids=()
# shellcheck disable=SC2329  # the traps call it
stop() {
  trap - EXIT INT TERM
  if ((${#pids[@]})); then kill "${pids[@]}" 2>/dev/null || true; fi
  wait
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start() { # NAME COMMAND...
  local name=$1
  shift
  echo "$name: starts" >&2
  "$@" &
  pids+=("$!")
}

# agg-0-rank-1: dp16 moe_ep16 on GPUs 0,1,2,3,4,5,6,7
start agg-0-rank-1 env CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
  vllm serve \
    deepseek-ai/DeepSeek-V3 \
    --served-model-name deepseek-ai/DeepSeek-V3 \
    --host 0.0.0.0 \
    --port 8100 \
    --tensor-parallel-size 1 \
    --data-parallel-size 16 \
    --enable-expert-parallel \
    --max-num-seqs 24 \
    --max-num-batched-tokens 4024 \
    --max-model-len 4800 \
    --kv-cache-dtype fp8 \
    --no-enable-prefix-caching \
    --cudagraph-capture-sizes 1 2 4 8 16 24 \
    --data-parallel-size-local 8 \
    --data-parallel-start-rank 8 \
    --data-parallel-address "${HEAD_NODE_IP}" \
    --data-parallel-rpc-port 13445 \
    --headless

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
