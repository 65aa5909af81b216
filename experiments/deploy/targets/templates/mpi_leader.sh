#!/usr/bin/env bash
# The first pod of a worker: waits for the others, then starts all ranks over ssh.
# mpi_leader.sh NODES LEADER GPUS_PER_NODE COMMAND...
set -euo pipefail
nodes=$1 leader=$2 gpus=$3
shift 3
install -d -m 700 "$HOME/.ssh"
install -m 600 /ssh/private.key "$HOME/.ssh/id_rsa"
hosts="$leader:$gpus"
first=${leader%%.*}
for ((node = 1; node < nodes; node++)); do
  name="$first-$node.${leader#*.}"
  until getent hosts "$name" >/dev/null; do sleep 2; done
  hosts+=",$name:$gpus"
done
exec mpirun --allow-run-as-root --oversubscribe -n "$((nodes * gpus))" -H "$hosts" \
  --mca plm_rsh_args "-p 2222 -o StrictHostKeyChecking=no" --mca orte_keep_fqdn_hostnames 1 \
  -x PATH -x LD_LIBRARY_PATH -x HF_TOKEN \
  trtllm-llmapi-launch "$@"
