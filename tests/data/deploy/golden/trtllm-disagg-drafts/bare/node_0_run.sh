#!/usr/bin/env bash
# Node 0 of 3 (h200_sxm): decode-0-rank-0
# aicfg-gpus: 8
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

read -r -a NODES <<<"${NODE_IPS:?addresses of the 3 nodes in order, separated by spaces}"
((${#NODES[@]} == 3)) || { echo "NODE_IPS: expected addresses of the 3 nodes in order, separated by spaces" >&2; exit 2; }
HEAD_NODE_IP=${HEAD_NODE_IP:-${NODES[0]}}
SSH_PORT=${SSH_PORT:-2222}
mpi_env=(-x PATH -x LD_LIBRARY_PATH)
if [[ -n ${HF_TOKEN:-} ]]; then mpi_env+=(-x HF_TOKEN); fi

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

hosts_decode_0_rank_0="${HEAD_NODE_IP}:8,${NODES[1]}:8"

# decode-0-rank-0: dp16 moe_ep16 on GPUs 0,1,2,3,4,5,6,7
start decode-0-rank-0 env CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
  mpirun \
    --allow-run-as-root --oversubscribe -n 16 -H "${hosts_decode_0_rank_0}" \
    --mca plm_rsh_args "-p ${SSH_PORT} -o StrictHostKeyChecking=no" \
    "${mpi_env[@]}" -x CUDA_VISIBLE_DEVICES \
    trtllm-llmapi-launch \
    trtllm-serve \
    deepseek-ai/DeepSeek-V3 \
    --served_model_name deepseek-ai/DeepSeek-V3 \
    --host 0.0.0.0 \
    --port 8100 \
    --extra_llm_api_options ./decode_config.yaml

cat >disagg_config.yaml <<EOF
hostname: 0.0.0.0
port: 8000
backend: pytorch
context_servers:
  num_instances: 2
  urls:
    - ${NODES[2]}:8100
    - ${NODES[2]}:8200
generation_servers:
  num_instances: 1
  urls:
    - ${HEAD_NODE_IP}:8100
EOF

# Clients: http://NODE_0:8000/v1
start front-disagg trtllm-serve disaggregated \
  --config_file disagg_config.yaml \
  --server_start_timeout 7200

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
