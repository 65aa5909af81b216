"""``aicfg deploy check``: deployment files, edited or not, against servers, cluster and plan.

``folder`` is the whole way; ``manifests`` holds Kubernetes objects against the cluster's schemas
(``crd/``), ``shell`` the commands in scripts and containers against the servers' flags, and ``pods`` reads
what pods ask for.
"""
