#!/usr/bin/env bash
# Node 2 of 3 (h200_sxm): prefill-0, prefill-1
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

# prefill-0: pp2 cp2 on GPUs 0,1,2,3
start prefill-0 env DYN_SYSTEM_PORT=9090 CUDA_VISIBLE_DEVICES=0,1,2,3 \
  python3 -m dynamo.sglang \
    --model-path deepseek-ai/DeepSeek-V3 \
    --served-model-name deepseek-ai/DeepSeek-V3 \
    --tp-size 2 \
    --pp-size 2 \
    --attn-cp-size 2 \
    --enable-prefill-cp \
    --cp-strategy zigzag \
    --max-running-requests 2 \
    --chunked-prefill-size 4288 \
    --context-length 4800 \
    --kv-cache-dtype fp8_e4m3 \
    --disaggregation-mode prefill \
    --disaggregation-transfer-backend nixl \
    --disaggregation-bootstrap-port 12000

# prefill-1: pp2 cp2 on GPUs 4,5,6,7
start prefill-1 env DYN_SYSTEM_PORT=9091 CUDA_VISIBLE_DEVICES=4,5,6,7 \
  python3 -m dynamo.sglang \
    --model-path deepseek-ai/DeepSeek-V3 \
    --served-model-name deepseek-ai/DeepSeek-V3 \
    --tp-size 2 \
    --pp-size 2 \
    --attn-cp-size 2 \
    --enable-prefill-cp \
    --cp-strategy zigzag \
    --max-running-requests 2 \
    --chunked-prefill-size 4288 \
    --context-length 4800 \
    --kv-cache-dtype fp8_e4m3 \
    --disaggregation-mode prefill \
    --disaggregation-transfer-backend nixl \
    --disaggregation-bootstrap-port 12010

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
