"""The causes the tool knows, in the order of the path, deeper ones first. One file a rule.

Listed by name, never found by scanning: a frozen program has no folder to scan.
"""

from __future__ import annotations

from kubectl_dnsdebug.reason.rule import Rule
from kubectl_dnsdebug.rules.aaaa_delay import check as aaaa_delay
from kubectl_dnsdebug.rules.bridge_nf_off import check as bridge_nf_off
from kubectl_dnsdebug.rules.cloud_resolver_rate_limit import check as cloud_resolver_rate_limit
from kubectl_dnsdebug.rules.clusterdns_ip_mismatch import check as clusterdns_ip_mismatch
from kubectl_dnsdebug.rules.clusterdns_missing import check as clusterdns_missing
from kubectl_dnsdebug.rules.clusterdomain_mismatch import check as clusterdomain_mismatch
from kubectl_dnsdebug.rules.cni_down_on_node import check as cni_down_on_node
from kubectl_dnsdebug.rules.conntrack_full import check as conntrack_full
from kubectl_dnsdebug.rules.conntrack_race import check as conntrack_race
from kubectl_dnsdebug.rules.conntrack_stale_udp import check as conntrack_stale_udp
from kubectl_dnsdebug.rules.coredns_api_unreachable import check as coredns_api_unreachable
from kubectl_dnsdebug.rules.coredns_bind_failed import check as coredns_bind_failed
from kubectl_dnsdebug.rules.coredns_cpu_starved import check as coredns_cpu_starved
from kubectl_dnsdebug.rules.coredns_loop import check as coredns_loop
from kubectl_dnsdebug.rules.coredns_not_running import check as coredns_not_running
from kubectl_dnsdebug.rules.coredns_oom import check as coredns_oom
from kubectl_dnsdebug.rules.coredns_placement_rollout import check as coredns_placement_rollout
from kubectl_dnsdebug.rules.coredns_rbac import check as coredns_rbac
from kubectl_dnsdebug.rules.coredns_replica_divergence import check as coredns_replica_divergence
from kubectl_dnsdebug.rules.corefile_invalid import check as corefile_invalid
from kubectl_dnsdebug.rules.corefile_zone_missing import check as corefile_zone_missing
from kubectl_dnsdebug.rules.dns_ingress_blocked import check as dns_ingress_blocked
from kubectl_dnsdebug.rules.dns_no_ready_endpoints import check as dns_no_ready_endpoints
from kubectl_dnsdebug.rules.dns_service_misbuilt import check as dns_service_misbuilt
from kubectl_dnsdebug.rules.dnsconfig_bad import check as dnsconfig_bad
from kubectl_dnsdebug.rules.dnspolicy_not_cluster import check as dnspolicy_not_cluster
from kubectl_dnsdebug.rules.externalname_bad import check as externalname_bad
from kubectl_dnsdebug.rules.forward_max_concurrent import check as forward_max_concurrent
from kubectl_dnsdebug.rules.headless_or_pod_record_missing import (
    check as headless_or_pod_record_missing,
)
from kubectl_dnsdebug.rules.host_loopback_nameserver import check as host_loopback_nameserver
from kubectl_dnsdebug.rules.host_resolvconf_missing_or_empty import (
    check as host_resolvconf_missing_or_empty,
)
from kubectl_dnsdebug.rules.host_search_inherited import check as host_search_inherited
from kubectl_dnsdebug.rules.hostnetwork_clusterfirst import check as hostnetwork_clusterfirst
from kubectl_dnsdebug.rules.image_resolver_config import check as image_resolver_config
from kubectl_dnsdebug.rules.ip_forward_off import check as ip_forward_off
from kubectl_dnsdebug.rules.ipvs_stale import check as ipvs_stale
from kubectl_dnsdebug.rules.kube_proxy_rules_missing import check as kube_proxy_rules_missing
from kubectl_dnsdebug.rules.l7_dns_policy import check as l7_dns_policy
from kubectl_dnsdebug.rules.large_answer_lost import check as large_answer_lost
from kubectl_dnsdebug.rules.mixed_nameservers import check as mixed_nameservers
from kubectl_dnsdebug.rules.musl_search_abort import check as musl_search_abort
from kubectl_dnsdebug.rules.ndots_amplification import check as ndots_amplification
from kubectl_dnsdebug.rules.negative_or_client_cache import check as negative_or_client_cache
from kubectl_dnsdebug.rules.netpol_egress import check as netpol_egress
from kubectl_dnsdebug.rules.no_default_route import check as no_default_route
from kubectl_dnsdebug.rules.nodelocal_down import check as nodelocal_down
from kubectl_dnsdebug.rules.nodelocal_misrouted import check as nodelocal_misrouted
from kubectl_dnsdebug.rules.not_dns import check as not_dns
from kubectl_dnsdebug.rules.overlay_broken import check as overlay_broken
from kubectl_dnsdebug.rules.plugin_swallows_names import check as plugin_swallows_names
from kubectl_dnsdebug.rules.resolvconf_overwritten_or_stale import (
    check as resolvconf_overwritten_or_stale,
)
from kubectl_dnsdebug.rules.runtime_fallback_8888 import check as runtime_fallback_8888
from kubectl_dnsdebug.rules.search_line_bad import check as search_line_bad
from kubectl_dnsdebug.rules.sidecar_dns_capture import check as sidecar_dns_capture
from kubectl_dnsdebug.rules.stubdomain_broken import check as stubdomain_broken
from kubectl_dnsdebug.rules.tcp_fallback_broken import check as tcp_fallback_broken
from kubectl_dnsdebug.rules.template_aaaa_nxdomain import check as template_aaaa_nxdomain
from kubectl_dnsdebug.rules.tool_artefact import check as tool_artefact
from kubectl_dnsdebug.rules.upstream_servfail_refused import check as upstream_servfail_refused
from kubectl_dnsdebug.rules.upstream_timeout import check as upstream_timeout
from kubectl_dnsdebug.rules.upstreams_disagree import check as upstreams_disagree
from kubectl_dnsdebug.rules.wildcard_capture import check as wildcard_capture
from kubectl_dnsdebug.rules.windows_pod_suffix import check as windows_pod_suffix
from kubectl_dnsdebug.rules.wrong_name import check as wrong_name

# What the API answers by itself: objects, logs and events say it, if no packet does. All others
# need answers, and say nothing where none were asked for.
BY_API_ALONE = frozenset(
    {
        "coredns-bind-failed",
        "coredns-cpu-starved",
        "coredns-not-running",
        "coredns-oom",
        "coredns-rbac",
        "corefile-invalid",
        "dns-no-ready-endpoints",
    }
)
RULES: tuple[Rule, ...] = (
    # the node and its kubelet
    clusterdns_ip_mismatch,
    clusterdns_missing,
    clusterdomain_mismatch,
    cni_down_on_node,
    host_loopback_nameserver,
    host_resolvconf_missing_or_empty,
    ip_forward_off,
    no_default_route,
    runtime_fallback_8888,
    # the path
    bridge_nf_off,
    conntrack_full,
    conntrack_race,
    conntrack_stale_udp,
    dns_ingress_blocked,
    dns_no_ready_endpoints,
    dns_service_misbuilt,
    ipvs_stale,
    kube_proxy_rules_missing,
    l7_dns_policy,
    large_answer_lost,
    netpol_egress,
    nodelocal_down,
    nodelocal_misrouted,
    overlay_broken,
    tcp_fallback_broken,
    # DNS servers and upstreams
    cloud_resolver_rate_limit,
    coredns_api_unreachable,
    coredns_bind_failed,
    coredns_cpu_starved,
    coredns_loop,
    coredns_not_running,
    coredns_oom,
    coredns_placement_rollout,
    coredns_rbac,
    coredns_replica_divergence,
    corefile_invalid,
    corefile_zone_missing,
    forward_max_concurrent,
    plugin_swallows_names,
    stubdomain_broken,
    template_aaaa_nxdomain,
    upstream_servfail_refused,
    upstream_timeout,
    upstreams_disagree,
    # the pod, its names and its resolver
    aaaa_delay,
    dnsconfig_bad,
    dnspolicy_not_cluster,
    externalname_bad,
    headless_or_pod_record_missing,
    host_search_inherited,
    hostnetwork_clusterfirst,
    image_resolver_config,
    mixed_nameservers,
    musl_search_abort,
    ndots_amplification,
    negative_or_client_cache,
    not_dns,
    resolvconf_overwritten_or_stale,
    search_line_bad,
    sidecar_dns_capture,
    tool_artefact,
    wildcard_capture,
    windows_pod_suffix,
    wrong_name,
)
