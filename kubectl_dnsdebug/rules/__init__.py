"""The causes the tool knows, in the order of the path, deeper ones first. One file a rule.

Listed by name, never found by scanning: a frozen program has no folder to scan.
"""

from __future__ import annotations

from kubectl_dnsdebug.rule import Rule
from kubectl_dnsdebug.rules.clusterdns_ip_mismatch import check as clusterdns_ip_mismatch
from kubectl_dnsdebug.rules.clusterdns_missing import check as clusterdns_missing
from kubectl_dnsdebug.rules.clusterdomain_mismatch import check as clusterdomain_mismatch
from kubectl_dnsdebug.rules.coredns_loop import check as coredns_loop
from kubectl_dnsdebug.rules.dnsconfig_bad import check as dnsconfig_bad
from kubectl_dnsdebug.rules.dnspolicy_not_cluster import check as dnspolicy_not_cluster
from kubectl_dnsdebug.rules.host_loopback_nameserver import check as host_loopback_nameserver
from kubectl_dnsdebug.rules.host_search_inherited import check as host_search_inherited
from kubectl_dnsdebug.rules.hostnetwork_clusterfirst import check as hostnetwork_clusterfirst
from kubectl_dnsdebug.rules.mixed_nameservers import check as mixed_nameservers
from kubectl_dnsdebug.rules.runtime_fallback_8888 import check as runtime_fallback_8888
from kubectl_dnsdebug.rules.template_aaaa_nxdomain import check as template_aaaa_nxdomain
from kubectl_dnsdebug.rules.wildcard_capture import check as wildcard_capture
from kubectl_dnsdebug.rules.wrong_name import check as wrong_name

RULES: tuple[Rule, ...] = (
    # the node and its kubelet
    clusterdns_ip_mismatch,
    clusterdns_missing,
    clusterdomain_mismatch,
    host_loopback_nameserver,
    runtime_fallback_8888,
    # the path
    # DNS servers and upstreams
    coredns_loop,
    template_aaaa_nxdomain,
    # the pod, its names and its resolver
    dnsconfig_bad,
    dnspolicy_not_cluster,
    host_search_inherited,
    hostnetwork_clusterfirst,
    mixed_nameservers,
    wildcard_capture,
    wrong_name,
)
