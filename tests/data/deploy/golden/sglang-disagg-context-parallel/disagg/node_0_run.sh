#!/usr/bin/env bash
# Node 0 of 3 (h200_sxm): decode-0-rank-0
# aicfg-gpus: 8
set -euo pipefail

: "${HEAD_NODE_IP:?address of node 0}"
# etcd and NATS run on node 0
export ETCD_ENDPOINTS="http://${HEAD_NODE_IP}:2379" NATS_SERVER="nats://${HEAD_NODE_IP}:4222"

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
start decode-0-rank-0 env DYN_SYSTEM_PORT=9090 CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
  python3 -m dynamo.sglang \
    --model-path deepseek-ai/DeepSeek-V3 \
    --served-model-name deepseek-ai/DeepSeek-V3 \
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

# Clients: http://NODE_0:8000/v1
start frontend-disagg python3 -m dynamo.frontend \
  --http-port 8000 \
  --router-mode round-robin

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
