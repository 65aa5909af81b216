#!/usr/bin/env bash
# Node 0 of 3 (h200_sxm): decode-0-rank-0
# aicfg-gpus: 8
set -euo pipefail

read -r -a NODES <<<"${NODE_IPS:?addresses of the 3 nodes in order, separated by spaces}"
((${#NODES[@]} == 3)) || { echo "NODE_IPS: expected addresses of the 3 nodes in order, separated by spaces" >&2; exit 2; }
HEAD_NODE_IP=${HEAD_NODE_IP:-${NODES[0]}}

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

# decode-0-rank-0: tp2 dp8 moe_ep16 on GPUs 0,1,2,3,4,5,6,7
start decode-0-rank-0 env CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
  python3 -m sglang.launch_server \
    --model-path deepseek-ai/DeepSeek-V3 \
    --served-model-name deepseek-ai/DeepSeek-V3 \
    --host 0.0.0.0 \
    --port 8100 \
    --tp-size 16 \
    --dp-size 8 \
    --enable-dp-attention \
    --ep-size 16 \
    --max-running-requests 192 \
    --context-length 4800 \
    --kv-cache-dtype fp8_e4m3 \
    --cuda-graph-bs-decode 1 2 4 8 16 24 \
    --disaggregation-mode decode \
    --disaggregation-transfer-backend nixl \
    --nnodes 2 \
    --node-rank 0 \
    --dist-init-addr "${HEAD_NODE_IP}:29500"

# Clients: http://NODE_0:8000/v1 (pip install sglang-router==0.3.2)
start router-disagg python3 -m sglang_router.launch_router \
  --host 0.0.0.0 \
  --port 8000 \
  --policy round_robin \
  --worker-startup-timeout-secs 7200 \
  --pd-disaggregation \
  --prefill "http://${NODES[2]}:8100" 12000 \
  --prefill "http://${NODES[2]}:8200" 12010 \
  --decode "http://${HEAD_NODE_IP}:8100"

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
