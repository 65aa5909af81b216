#!/usr/bin/env bash
# Node 1 of 3 (h200_sxm): decode-0-rank-1
# aicfg-gpus: 8
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

: "${HEAD_NODE_IP:?address of node 0}"
SSH_PORT=${SSH_PORT:-2222}
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

# decode-0-rank-1: dp16 moe_ep16 on GPUs 0,1,2,3,4,5,6,7
echo 'decode-0-rank-1: node 0 starts these ranks over ssh:' trtllm-llmapi-launch python3 -m dynamo.trtllm --model deepseek-ai/DeepSeek-V3 --served-model-name deepseek-ai/DeepSeek-V3 --disaggregation-mode decode --extra-engine-args ./decode_config.yaml >&2

# How MPI reaches this node
start sshd /usr/sbin/sshd -D -p "${SSH_PORT}"

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
