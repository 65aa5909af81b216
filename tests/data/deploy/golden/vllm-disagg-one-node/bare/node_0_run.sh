#!/usr/bin/env bash
# Node 0 of 1 (h200_sxm): decode-0, prefill-0, prefill-1
# aicfg-gpus: 8
set -euo pipefail

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

# decode-0: tp4 on GPUs 0,1,2,3
start decode-0 env VLLM_NIXL_SIDE_CHANNEL_HOST=127.0.0.1 VLLM_NIXL_SIDE_CHANNEL_PORT=20097 CUDA_VISIBLE_DEVICES=0,1,2,3 \
  vllm serve \
    Qwen/Qwen3-32B-FP8 \
    --served-model-name Qwen/Qwen3-32B-FP8 \
    --host 0.0.0.0 \
    --port 8100 \
    --tensor-parallel-size 4 \
    --max-num-seqs 48 \
    --max-num-batched-tokens 512 \
    --max-model-len 4800 \
    --kv-cache-dtype fp8 \
    --no-enable-prefix-caching \
    --cudagraph-capture-sizes 1 2 4 8 16 24 32 40 48 \
    --kv-transfer-config '{"kv_connector": "NixlConnector", "kv_role": "kv_both"}'

# prefill-0: tp2 on GPUs 4,5
start prefill-0 env VLLM_NIXL_SIDE_CHANNEL_HOST=127.0.0.1 VLLM_NIXL_SIDE_CHANNEL_PORT=20609 CUDA_VISIBLE_DEVICES=4,5 \
  vllm serve \
    Qwen/Qwen3-32B-FP8 \
    --served-model-name Qwen/Qwen3-32B-FP8 \
    --host 0.0.0.0 \
    --port 8200 \
    --tensor-parallel-size 2 \
    --max-num-seqs 1 \
    --max-num-batched-tokens 4256 \
    --max-model-len 4800 \
    --kv-cache-dtype fp8 \
    --no-enable-prefix-caching \
    --kv-transfer-config '{"kv_connector": "NixlConnector", "kv_role": "kv_both"}'

# prefill-1: tp2 on GPUs 6,7
start prefill-1 env VLLM_NIXL_SIDE_CHANNEL_HOST=127.0.0.1 VLLM_NIXL_SIDE_CHANNEL_PORT=21121 CUDA_VISIBLE_DEVICES=6,7 \
  vllm serve \
    Qwen/Qwen3-32B-FP8 \
    --served-model-name Qwen/Qwen3-32B-FP8 \
    --host 0.0.0.0 \
    --port 8300 \
    --tensor-parallel-size 2 \
    --max-num-seqs 1 \
    --max-num-batched-tokens 4256 \
    --max-model-len 4800 \
    --kv-cache-dtype fp8 \
    --no-enable-prefix-caching \
    --kv-transfer-config '{"kv_connector": "NixlConnector", "kv_role": "kv_both"}'

# Clients: http://NODE_0:8000/v1 (pip install vllm-router==0.1.17)
start router-disagg vllm-router \
  --host 0.0.0.0 \
  --port 8000 \
  --policy round_robin \
  --worker-startup-timeout-secs 7200 \
  --vllm-pd-disaggregation \
  --prefill http://127.0.0.1:8200 \
  --prefill http://127.0.0.1:8300 \
  --decode http://127.0.0.1:8100

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
