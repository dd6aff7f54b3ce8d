"""The configuration of the DNS pods, in whatever ConfigMaps they mount."""

from __future__ import annotations

from typing import Any

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect.facts import failed
from kubectl_dnsdebug.hygiene import clean
from kubectl_dnsdebug.model import Fact, Json, State
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.parse import corefile


def read(session: Session, namespace: str, name: str) -> Fact:
    """Its texts, as far as they are of DNS, and when they were last edited."""
    id, need = f"configmap/{namespace}/{name}", f"get configmap {name} in {namespace}"
    try:
        reply = session.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except ClusterError as wrong:
        return Fact(id=id, state=State.UNKNOWN, reason=str(wrong))
    if not reply.ok:
        return failed(id, reply, need)
    texts = at(reply.body, "data", default={})
    data: dict[str, Any] = {"data": {key: _kept(key, clean(text)) for key, text in texts.items()}}
    if changed := _changed(reply.body):
        data["changed"] = changed
    return Fact(id=id, state=State.GOT, data=data)


def _changed(config: Json) -> str:
    """When anybody last wrote its texts; whose hand it was is not kept."""
    return max(
        (
            str(each.get("time", ""))
            for each in at(config, "metadata", "managedFields", default=())
            if at(each, "fieldsV1", "f:data") is not None
        ),
        default="",
    )


def _kept(key: str, text: str) -> str:
    if key in corefile.kube_dns.KEYS:
        return corefile.kube_dns.allow_listed(text)
    return corefile.allow_listed(text)
