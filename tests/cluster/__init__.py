"""A real Kubernetes of several nodes in network namespaces of this machine, to break on purpose.

Every node is a network, mount and UTS namespace with its own containerd, kubelet, kube-proxy and
`/etc/resolv.conf`. One more namespace is the LAN between them, with the upstream DNS server. No
route leads out of it, so nothing a test does leaves the machine.

`python -m tests.cluster` drives it from a shell, `fixtures.py` from pytest.
"""
