"""Which cluster, user and namespace kubectl would use here: its flags, files and environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubectl_dnsdebug.api.proxy import proxy_of
from kubectl_dnsdebug.hygiene import one_line
from kubectl_dnsdebug.model import DnsdebugError, Json

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(DnsdebugError):
    """The flags and files name no usable cluster; the text says where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """kubectl's connection flags as typed, paths relative to where we run; empty is not given."""

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

    `context` is for people: "in-cluster" for a pod's service account, the server when flags alone
    lead in. `cluster_entry` and `user_entry` are the entries of the kubeconfig with flags applied
    and paths absolute; the user's may hold secrets, so it is never printed. `request_timeout` is in
    seconds, None without a limit.
    """

    context: str
    cluster: str
    user: str
    namespace: str
    server: str
    cluster_entry: Json
    user_entry: Json = field(repr=False)
    proxy: str = field(default="", repr=False)  # its URL may hold a password
    request_timeout: float | None = None


def load(
    flags: Flags, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> Access:
    """Settle the way in as kubectl does; `environ` gives KUBECONFIG, HOME and the proxies.

    Raises KubeconfigError when a file cannot be read, a context, cluster or user that is named does
    not exist, or nothing leads to a cluster.
    """
    files = _files(flags, environ)
    config = _Config.read(files, must_exist=bool(flags.kubeconfig))
    name = flags.context or config.current
    context: Json = config.find("context", name) if name else {}
    cluster_name = flags.cluster or _text(context, "cluster", f"context {name!r}")
    user_name = flags.user or _text(context, "user", f"context {name!r}")
    cluster: Json = config.find("cluster", cluster_name) if cluster_name else {}
    user: Json = config.find("user", user_name) if user_name else {}
    namespace = _text(context, "namespace", f"context {name!r}")
    if not (cluster or flags.server):
        if name:
            raise KubeconfigError(f"context {name!r} in {config.where} names no cluster")
        name, cluster, user = "in-cluster", *_in_cluster(environ, service_account, config)
        with suppress(OSError):
            namespace = (service_account / "namespace").read_text().strip()
        namespace = environ.get("POD_NAMESPACE") or namespace
    namespace = flags.namespace or namespace or "default"
    must_be_namespace(namespace, usage=bool(flags.namespace))
    cluster, user = _with_cluster_flags(cluster, flags), _with_user_flags(user, flags)
    server = _server(cluster, user, cluster_name)
    return Access(
        context=name or server,
        cluster=cluster_name,
        user=user_name,
        namespace=namespace,
        server=server,
        cluster_entry=cluster,
        user_entry=user,
        proxy=_text(cluster, "proxy-url", "the cluster") or proxy_of(environ, server),
        request_timeout=parse_timeout(flags.request_timeout),
    )


def contexts(flags: Flags, environ: Mapping[str, str]) -> list[str]:
    """Every context there is to choose from. Raises KubeconfigError as `load` does."""
    config = _Config.read(_files(flags, environ), must_exist=bool(flags.kubeconfig))
    return list(config.entries["context"])


def must_be_namespace(name: str, *, usage: bool) -> None:
    """Raise KubeconfigError for what would lead elsewhere in the paths of the API."""
    if len(name) > 63 or not _LABEL.fullmatch(name):
        raise KubeconfigError(
            f"{one_line(name)!r} is no name of a namespace: small letters, digits and dashes",
            usage=usage,
        )


def parse_timeout(text: str) -> float | None:
    """Seconds of a `--request-timeout`: "0" is none, "7" seconds, else Go's form: "1m30s", "500ms".

    Raises KubeconfigError for anything else.
    """
    if re.fullmatch(r"[0-9]+", text):
        return float(text) or None
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?(h|ms|m|s))+", text):
        raise KubeconfigError(
            f"--request-timeout {one_line(text)!r} is no duration: write 5s, 1m30s, or 0 for none",
            usage=True,
        )
    unit = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"([0-9.]+)(h|ms|m|s)", text)
    return sum(float(number) * unit[of] for number, of in parts) or None


# Paths inside an entry are relative to the file that holds them.
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(slots=True)
class _Config:
    """The files merged: whichever names a thing first has it whole, the later ones add."""

    where: str
    current: str = ""
    entries: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {"cluster": {}, "context": {}, "user": {}}
    )

    @classmethod
    def read(cls, files: list[Path], *, must_exist: bool) -> _Config:
        config = cls(where=", ".join(map(str, files)))
        for file in files:
            content = _parse(file)
            if content is not None:
                config._add(file, content)
            elif must_exist:
                raise KubeconfigError(f"--kubeconfig {file} does not exist")
        return config

    def _add(self, file: Path, content: Json) -> None:
        self.current = self.current or _text(content, "current-context", str(file))
        for kind, known in self.entries.items():
            here: set[str] = set()
            for item in _maps(content.get(f"{kind}s"), f"{kind}s", file):
                name = _text(item, "name", f"a {kind} in {file}")
                if name in here:
                    raise KubeconfigError(f"{file} has two entries for {kind} {name!r}")
                here.add(name)
                entry = _maps([item.get(kind)], f"{kind} {name!r}", file)[0]
                known.setdefault(name, _anchored(entry, file.absolute().parent))

    def find(self, kind: str, name: str) -> Json:
        """The entry of that name; raises KubeconfigError with the names there are."""
        if name in self.entries[kind]:
            return self.entries[kind][name]
        names = ", ".join(sorted(self.entries[kind])) or "none"
        raise KubeconfigError(
            f"{kind} {one_line(name)!r} does not exist in {self.where}; "
            f"{kind}s are: {one_line(names, 600)}"
        )


def _files(flags: Flags, environ: Mapping[str, str]) -> list[Path]:
    """The files to merge, in order of precedence; only one named by flag must exist."""
    if flags.kubeconfig:
        return [Path(flags.kubeconfig)]
    if environ.get("KUBECONFIG"):
        named = filter(None, environ["KUBECONFIG"].split(os.pathsep))
        return [Path(file) for file in dict.fromkeys(named)]
    return [Path(environ.get("HOME") or environ.get("USERPROFILE") or "", ".kube", "config")]


def _parse(file: Path) -> Json | None:
    """The content of one file, None when there is no such file."""
    # A replay or `--help` never comes here and need not wait for the parser.
    import yaml

    try:
        # The C parser reads a fleet's kubeconfig ten times faster; not every build has it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(file.read_text(encoding="utf-8-sig"), loader)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KubeconfigError(f"cannot read kubeconfig {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise KubeconfigError(f"{file} is no valid YAML: {one_line(str(error))}") from error
    return _maps([content], "the content", file)[0]


def _maps(items: Any, what: str, file: Path) -> list[Json]:
    """A list of mappings, null counting as empty; raises KubeconfigError for anything else."""
    maps = [{} if item is None else item for item in items] if isinstance(items, list) else items
    if maps is None:
        return []
    if isinstance(maps, list) and all(isinstance(item, dict) for item in maps):
        return maps
    raise KubeconfigError(f"{file} is no kubeconfig: {what} has the wrong shape")


def _text(entry: Json, key: str, what: str) -> str:
    value = entry.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise KubeconfigError(f"{key} of {one_line(what)} is no text: put it in quotes")
    return value


def _anchored(entry: Json, folder: Path) -> Json:
    anchored = dict(entry)
    for key in _PATHS:
        if isinstance(entry.get(key), str) and entry[key]:
            anchored[key] = str(folder / entry[key])
    plugin = entry.get("exec")
    # A bare word is looked up on PATH.
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command")):
        anchored["exec"] = plugin | {"command": str(folder / plugin["command"])}
    return anchored


def _in_cluster(
    environ: Mapping[str, str], service_account: Path, config: _Config
) -> tuple[Json, Json]:
    """Cluster and user of the pod we run in, which kubectl turns to when nothing is configured."""
    host = environ.get("KUBERNETES_SERVICE_HOST")
    port = environ.get("KUBERNETES_SERVICE_PORT")
    token = service_account / "token"
    if not (host and port and token.is_file()):
        names = ", ".join(sorted(config.entries["context"]))
        raise KubeconfigError(
            f"no current context in {config.where}; choose one with --context: {one_line(names)}"
            if names
            else f"no cluster is configured ({config.where}): set KUBECONFIG or use --kubeconfig"
        )
    authority = f"[{host}]" if ":" in host else host
    return (
        {
            "server": f"https://{authority}:{port}",
            "certificate-authority": str(service_account / "ca.crt"),
        },
        {"tokenFile": str(token)},
    )


def _with_cluster_flags(entry: Json, flags: Flags) -> Json:
    changed = dict(entry)
    if flags.server or flags.tls_server_name:
        # The name was meant for the server it stood with.
        changed |= {"tls-server-name": flags.tls_server_name}
    if flags.server:
        changed |= {"server": flags.server}
    if flags.certificate_authority or flags.insecure_skip_tls_verify:
        changed |= {
            "certificate-authority": _absolute(flags.certificate_authority),
            "certificate-authority-data": "",
            "insecure-skip-tls-verify": flags.insecure_skip_tls_verify,
        }
    return changed


def _with_user_flags(entry: Json, flags: Flags) -> Json:
    changed = dict(entry)
    if flags.token:
        # A token on the command line is the identity; a client certificate may still be needed.
        for other in ("tokenFile", "exec", "auth-provider", "username", "password"):
            changed.pop(other, None)
        changed["token"] = flags.token
    for key, value in (
        ("client-certificate", flags.client_certificate),
        ("client-key", flags.client_key),
    ):
        if value:
            changed |= {key: _absolute(value), f"{key}-data": ""}
    given = {"as": flags.as_user, "as-uid": flags.as_uid, "as-groups": list(flags.as_group)}
    changed |= {key: value for key, value in given.items() if value}
    extra = ("as-uid", "as-groups", "as-user-extra")
    if not changed.get("as") and any(changed.get(key) for key in extra):
        raise KubeconfigError("a group or UID to act as needs a user too: add --as", usage=True)
    return changed


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def _server(cluster: Json, user: Json, name: str) -> str:
    server = _text(cluster, "server", f"cluster {name!r}").rstrip("/")
    if "://" not in server:
        secured = ("certificate-authority", "certificate-authority-data")
        tls = any(cluster.get(key) for key in (*secured, "insecure-skip-tls-verify")) or any(
            user.get(key) for key in ("client-certificate", "client-certificate-data")
        )
        server = f"{'https' if tls else 'http'}://{server}"
    try:
        url = urlsplit(server)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise KubeconfigError(
            f"the server of cluster {one_line(name)!r} is no URL: {one_line(server)}"
        )
    return server
