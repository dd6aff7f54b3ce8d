"""Policies of network plugins, and those of administrators, on paper: may these two pods speak?

Each file evaluates one family as its documentation says. Plugins differ in version and settings,
so that an answer here is a strong hint and no proof; what it does not know makes it None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kubectl_dnsdebug.parse.netpol import Decision
from kubectl_dnsdebug.parse.policies import admin, calico, cilium
from kubectl_dnsdebug.parse.policies.terms import Policy, Traffic

# By the last words of their API groups. `plain` is what NetworkPolicies say, None where unread.
Judge = Callable[[Sequence[Policy], Traffic, Decision | None], Decision]
FAMILIES: Mapping[str, Judge] = {
    "cilium.io": cilium.judge,
    "projectcalico.org": calico.judge,
    "policy.networking.k8s.io": admin.judge,
}
