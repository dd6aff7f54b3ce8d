"""Who we are to the API server: the token, certificate and identity of a kubeconfig user.

The Kubernetes client has its own loader, which is not used: when a credential plugin fails it goes
on without credentials, it leaves private keys in files, and it spends a user's OIDC refresh token.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kubectl_dnsdebug.api.kubeconfig import Access
from kubectl_dnsdebug.hygiene import clean, one_line
from kubectl_dnsdebug.model import DnsdebugError, Json

PLUGIN_TIMEOUT = 60.0  # seconds, where nobody can be asked for a password
TOKEN_FILE_LIFE = 60.0  # seconds after which a token file is read again: they are rotated


class LoginError(DnsdebugError):
    """No usable credentials; the text says which source failed, in its own words, and what next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What to show the server; certificate and key in PEM. `expires` is in Unix time, or None."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires: float | None = None


def log_in(access: Access) -> Credentials:
    """Gather the credentials of a way in, running its credential plugin if it has one.

    A user without any is anonymous (the server decides), and so is everybody without TLS: like
    kubectl, we send no secret in the clear. Raises LoginError.
    """
    try:
        return _gather(access)
    except (AttributeError, KeyError, TypeError) as error:
        raise LoginError(
            f"the entry of user {access.user!r} in the kubeconfig has the wrong shape: {error}"
        ) from error


def _gather(access: Access) -> Credentials:
    user = access.user_entry
    if not access.server.startswith("https:"):
        return Credentials(headers=_impersonation(user))
    own = Credentials(certificate=pem(user, "client-certificate"), key=pem(user, "client-key"))
    if bool(own.certificate) != bool(own.key):
        raise LoginError(f"user {access.user!r} has a client certificate or a key, but not both")
    found = _token_file(user) or _bearer(user.get("token")) or _basic(user)
    if not found and user.get("exec"):
        found = _plugin(access)
    if not found and user.get("auth-provider"):
        found = _auth_provider(access)
    found = found or Credentials()
    if not found.certificate:
        found = replace(found, certificate=own.certificate, key=own.key)
    return replace(found, headers=found.headers + _impersonation(user))


def pem(entry: Json, key: str) -> bytes:
    """The PEM text that an entry holds inline (`KEY-data`) or in a file; empty when it has none."""
    try:
        if data := entry.get(f"{key}-data"):
            return base64.b64decode(data, validate=True)
        return Path(entry[key]).read_bytes() if entry.get(key) else b""
    except (binascii.Error, TypeError, ValueError) as error:
        raise LoginError(f"{key}-data of the kubeconfig is no base64") from error
    except OSError as error:
        raise LoginError(f"cannot read {key} {entry[key]}: {error.strerror}") from error


def _token_file(user: Json) -> Credentials | None:
    if not user.get("tokenFile"):
        return None
    try:
        token = Path(user["tokenFile"]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise LoginError(f"cannot read tokenFile {user['tokenFile']}: {error}") from error
    found = _bearer(token)
    return found and replace(found, expires=time.time() + TOKEN_FILE_LIFE)


def _bearer(token: Any) -> Credentials | None:
    if not token:
        return None
    return Credentials(headers=(_header("Authorization", f"Bearer {str(token).strip()}"),))


def _basic(user: Json) -> Credentials | None:
    if not (user.get("username") and user.get("password")):
        return None
    pair = base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
    return Credentials(headers=(_header("Authorization", f"Basic {pair}"),))


def _impersonation(user: Json) -> tuple[tuple[str, str], ...]:
    wanted = [("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid"))]
    wanted += [("Impersonate-Group", group) for group in user.get("as-groups") or ()]
    for key, values in (user.get("as-user-extra") or {}).items():
        wanted += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    return tuple(_header(name, str(value)) for name, value in wanted if value)


def _header(name: str, value: str) -> tuple[str, str]:
    if clean(value) != value or "\n" in value:
        raise LoginError(f"the value for {name} holds a control character: quote it anew")
    # The HTTP library writes headers in Latin-1; Kubernetes reads them as UTF-8.
    return name, value.encode().decode("latin-1")


def _auth_provider(access: Access) -> Credentials | None:
    """The ID token kubectl keeps; renewing is left to kubectl, which can save the new one."""
    provider = access.user_entry["auth-provider"]
    if provider.get("name") != "oidc":
        raise LoginError(
            f"auth-provider {one_line(str(provider.get('name')))!r} of user {access.user!r} left "
            "kubectl in 1.26: write the kubeconfig anew with your provider's current tool"
        )
    token = (provider.get("config") or {}).get("id-token") or ""
    if _jwt_expiry(token) < time.time() + 10:
        raise LoginError(
            f"the OIDC token of user {access.user!r} is missing or has expired: run any "
            "kubectl command (`kubectl get --raw /version`), which renews it, or log in again"
        )
    return _bearer(token)


def _jwt_expiry(token: str) -> float:
    """When a JWT ends, in Unix time; 0 when it is no JWT."""
    try:
        claims = token.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        return float(json.loads(base64.urlsafe_b64decode(padded)).get("exp", "inf"))
    except (IndexError, ValueError, AttributeError, TypeError):
        return 0.0


def _plugin(access: Access) -> Credentials:
    """Run the credential plugin as kubectl would, and fail with its own words when it does."""
    spec = access.user_entry["exec"]
    command = spec.get("command") or ""
    what = f"the credential plugin {one_line(str(command))!r} of user {access.user!r}"
    mode = spec.get("interactiveMode") or "IfAvailable"
    interactive = mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not interactive:
        raise LoginError(f"{what} asks questions, and standard input is no terminal")
    asked = {
        "apiVersion": spec.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": {"interactive": interactive} | _cluster_info(access),
    }
    environ = _clean_environ() | {
        str(item["name"]): str(item["value"]) for item in spec.get("env") or ()
    }
    environ["KUBERNETES_EXEC_INFO"] = json.dumps(asked)
    try:
        code, out, err = _run(
            [str(command), *map(str, spec.get("args") or ())], environ, interactive
        )
    except OSError as error:
        hint = one_line(str(spec.get("installHint") or "install it or mend the kubeconfig"), 600)
        raise LoginError(f"{what} cannot be run: {error.strerror}; {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise LoginError(
            f"{what} gave nothing within {PLUGIN_TIMEOUT:g} s: run it by hand"
        ) from error
    said = one_line(err[-800:], 800) or "it printed no reason"
    if code:
        raise LoginError(f"{what} failed (exit {code}): {said}; log in again with that tool")
    try:
        return _exec_credential(json.loads(out), asked["apiVersion"])
    except (ValueError, TypeError, AttributeError) as error:
        raise LoginError(
            f"{what} printed no credentials ({one_line(str(error))}): {said}"
        ) from error


def _exec_credential(answer: Json, version: Any) -> Credentials:
    if answer.get("kind") != "ExecCredential" or answer.get("apiVersion") != version:
        raise ValueError(f"not an ExecCredential of {version}")
    status = answer.get("status") or {}
    found = _bearer(status.get("token")) or Credentials()
    certificate = (status.get("clientCertificateData") or "").encode()
    key = (status.get("clientKeyData") or "").encode()
    if bool(certificate) != bool(key) or not (certificate or found.headers):
        raise ValueError("neither a token nor a certificate with its key")
    expires = None
    if moment := status.get("expirationTimestamp"):
        expires = datetime.fromisoformat(moment).timestamp()
    return replace(found, certificate=certificate, key=key, expires=expires)


def _cluster_info(access: Access) -> dict[str, Any]:
    """The cluster as a plugin may ask to see it."""
    entry = access.cluster_entry
    if not access.user_entry["exec"].get("provideClusterInfo"):
        return {}
    info: dict[str, Any] = {"server": access.server}
    if authority := pem(entry, "certificate-authority"):
        info["certificate-authority-data"] = base64.b64encode(authority).decode()
    for key in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url"):
        if entry.get(key):
            info[key] = entry[key]
    for extension in entry.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return {"cluster": info}


def _clean_environ() -> dict[str, str]:
    """Our environment without what a frozen build puts in it for itself."""
    environ = dict(os.environ)
    if getattr(sys, "frozen", False):
        for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
            environ.pop(name, None)
            if original := environ.get(f"{name}_ORIG"):
                environ[name] = original
    return environ


@contextmanager
def _its_own_libraries() -> Iterator[None]:
    """On Windows a child takes over where a frozen program looks for libraries first: not there."""
    if sys.platform == "win32":
        import ctypes

        search_first = ctypes.windll.kernel32.SetDllDirectoryW
        search_first(None)
        try:
            yield
        finally:
            search_first(getattr(sys, "_MEIPASS", None))
    else:
        yield


def _run(argv: list[str], environ: Mapping[str, str], interactive: bool) -> tuple[int, str, str]:
    """Run to the end: exit code, stdout, stderr. When interactive, the plugin has the terminal."""
    # Away from the terminal it leads its own process group, so that its children can be ended too.
    with _its_own_libraries():
        process = subprocess.Popen(
            argv,
            env=environ,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=not interactive,
        )
    try:
        out, err = process.communicate(timeout=None if interactive else PLUGIN_TIMEOUT)
    except BaseException:
        if interactive or sys.platform == "win32":
            process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    return process.returncode, out, err or ""
