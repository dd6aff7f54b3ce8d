"""Words that are nobody's secret: of Kubernetes, of DNS, of the tools whose output is kept.

Data of `anonymize`. A user's object that has such a name keeps it.
"""

from __future__ import annotations

from kubectl_dnsdebug.observe import discovery

_KUBERNETES = """
    default kubernetes kube-system kube-public kube-node-lease local-path-storage
    openshift-dns openshift-dns-operator calico-system tigera-operator cilium
    coredns kube-dns kube-dns-upstream dns-default rke2-coredns rke2-coredns-rke2-coredns
    node-local-dns nodelocaldns dns-autoscaler coredns-autoscaler kube-dns-autoscaler
    kube-proxy kube-apiserver kube-scheduler kube-controller-manager kube-controllers etcd
    kube-root-ca kindnet kindnetd kube-flannel kube-flannel-ds flannel canal calico calico-node
    calico-kube-controllers cilium-operator weave weave-net antrea antrea-agent kube-router
    istio-proxy istio-init linkerd-proxy linkerd-init kuma-sidecar consul-dataplane
    aws-node azure-cni cni multus ovnkube-node dnsmasq kubedns sidecar systemd systemd-resolved
    metrics-server apiserver provider component k8s-app app app-name name tier role
    control-plane master worker node node-role controlplane host hosts hostname pod pods svc
    service services endpoints endpointslices namespace namespaces configmap configmaps
    ephemeralcontainers ephemeralcontainer container containers deployment deploy replicaset
    daemonset ds sts statefulset rs job cronjob sibling target control companion log logs event
    nodes proxy configz cluster config-volume corefile
    linux windows amd64 arm64 arm s390x ppc64le true false enabled disabled none null
    registry agnhost e2e-test-images dnsutils library alpine debian ubuntu busybox pause
"""
_DNS = """
    cluster local localhost localdomain internal lan home openstacklocal arpa in-addr ip6 svc any
    dns dns-tcp tcp udp tls https http grpc metrics domain search nameserver nameservers options
    ndots timeout attempts rotate edns0 trust-ad use-vc single-request single-request-reopen
    no-aaaa inet6 root-servers in ch a aaaa ptr srv soa ns mx txt cname dname hinfo opt
    resolv conf resolve resolvconf etc run nsswitch
    reach reach6 ext ext6 form libc walk fixed up up6 stub dom user other else gate getent
    nslookup dig app ahosts ahostsv4 ahostsv6 dnsdebug
    fresh direct outside changes noerror nxdomain servfail nodata other-rcode connection-refused
    no-address not-run reset garbled timeout
"""
# What the witness of a node prints: kernel settings and files of the kubelet.
_NODE = """
    net bridge bridge-nf-call-iptables bridge-nf-call-ip6tables ipv4 ipv6 ip conf all forwarding rp
    filter netfilter nf conntrack max vs conn expire kubelet config yaml json
    iptables iptables-save iptables-nft-save iptables-legacy-save nft ipvs flow flows odd
    connections address addresses log rp_filtered
    route defaults sysctl counters listeners kernel nat
"""
_TOOLS = """
    the an of to for from and or is was not no with by on at as if it be this that could cannot
    failed fail failure error errors warning info fatal debug panic plugin loop detected zone
    read write dial lookup listen i/o timed out communications connection refused reset network
    unreachable reached servers server query time msec when rcvd size msg flags id status opcode
    question answer authority additional section pseudosection cookie version global cmd got
    global-options reply unexpected source expected message too long bad packet address bind
    use already non-authoritative can't find name canonical stream dgram raw loader musl glibc
    port ports path file data key value type state ready running pending waiting reason count
    image images pull pulling back-off restarting started stopped killed created ip ips get list
    watch create delete patch exec policy policies rule rules label labels web-hook
"""
KEPT = frozenset(f"{_KUBERNETES} {_DNS} {_NODE} {_TOOLS}".split()) | {
    word.lower()
    for words in (*discovery.LABELS.values(), *map(set, discovery.NAMES))
    for word in words
}
# Whole names under these are known to everybody.
KEPT_DOMAINS = (
    "kubernetes.io",
    "k8s.io",
    "openshift.io",
    "projectcalico.org",
    "cilium.io",
    "coredns.io",
    "docker.io",
    "cattle.io",
    "coreos.com",
    "kube-system.svc",
)
_TOP_LEVEL = """
    com net org edu gov mil int info biz io dev app cloud ai co me tv xyz example test invalid
    arpa local internal lan home corp localdomain de uk fr nl eu us ca au jp cn ru br in it es se
    no fi dk pl ch at be cz ie nz kr tw sg hk za mx
"""
TOP_LEVEL = frozenset(_TOP_LEVEL.split())  # the last labels of names, in no namespace's way
