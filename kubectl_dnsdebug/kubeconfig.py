"""Which cluster, user and namespace kubectl would use here: flags, KUBECONFIG and its files, merged its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubectl_dnsdebug.model import DnsdebugError, Json

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(DnsdebugError):
    """The kubeconfig or the flags name no usable cluster; the text says which file and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """kubectl's connection flags as typed; empty means not given. Paths are relative to where we run."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    as_user: str = ""
    as_group: tuple[str, ...] = ()
    as_uid: str = ""
    token: str = field(default="", repr=False)
    server: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    request_timeout: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One way into one cluster, settled but not yet tried.

    `cluster_entry` and `user_entry` are the entries of the kubeconfig after merging, with flags applied and
    paths absolute; the user's may hold secrets, so it is never printed. `request_timeout` is in seconds,
    None without a limit. `context` is "" when flags alone or a service account lead in.
    """

    context: str
    cluster: str
    user: str
    namespace: str
    server: str
    cluster_entry: Json
    user_entry: Json = field(repr=False)
    proxy: str = ""
    request_timeout: float | None = None


def load(
    flags: Flags, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> Access:
    """Settle the way in as kubectl does; `environ` gives KUBECONFIG, HOME and the proxies.

    Raises KubeconfigError when a file cannot be read, a named context, cluster or user does not exist,
    or nothing leads to a cluster.
    """
    raise NotImplementedError


def parse_timeout(text: str) -> float | None:
    """Seconds of a `--request-timeout`: "0" is none, a bare number is seconds, else Go's "1m30s", "500ms".

    Raises KubeconfigError for anything else.
    """
    raise NotImplementedError
