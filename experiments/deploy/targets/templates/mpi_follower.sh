#!/usr/bin/env bash
# The other pods of a worker: the first one starts their ranks over ssh.
# mpi_follower.sh LEADER COMMAND...
set -euo pipefail
leader=$1
shift
echo "$leader starts these ranks over ssh: $*" >&2
install -d -m 700 "$HOME/.ssh" /run/sshd
install -m 600 /ssh/private.key.pub "$HOME/.ssh/authorized_keys"
ssh-keygen -A
exec /usr/sbin/sshd -D -p 2222
