#!/usr/bin/env bash
# Node 2 of 3 (h200_sxm): prefill-0, prefill-1
# aicfg-gpus: 8
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

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

# prefill-0: dp4 moe_ep4 on GPUs 0,1,2,3
start prefill-0 env CUDA_VISIBLE_DEVICES=0,1,2,3 \
  trtllm-serve \
    deepseek-ai/DeepSeek-V3 \
    --served_model_name deepseek-ai/DeepSeek-V3 \
    --host 0.0.0.0 \
    --port 8100 \
    --extra_llm_api_options ./prefill_config.yaml

# prefill-1: dp4 moe_ep4 on GPUs 4,5,6,7
start prefill-1 env CUDA_VISIBLE_DEVICES=4,5,6,7 \
  trtllm-serve \
    deepseek-ai/DeepSeek-V3 \
    --served_model_name deepseek-ai/DeepSeek-V3 \
    --host 0.0.0.0 \
    --port 8200 \
    --extra_llm_api_options ./prefill_config.yaml

status=0
wait -n "${pids[@]}" || status=$?
echo "a server ended with status $status: stopping the others" >&2
exit "$status"
