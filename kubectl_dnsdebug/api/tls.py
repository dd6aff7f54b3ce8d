"""The TLS side of the way in: whom we trust and the certificate we show."""

from __future__ import annotations

import re
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubectl_dnsdebug.api.credentials import Credentials, LoginError, pem
from kubectl_dnsdebug.api.kubeconfig import Access

_CERTIFICATE = re.compile(b"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# Where distributions keep the public CAs; a library built elsewhere looks in the wrong place.
_PUBLIC_CAS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def context(access: Access, credentials: Credentials) -> ssl.SSLContext:
    """TLS as kubectl would speak it here. Raises LoginError for certificates of no use."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.hostname_checks_common_name = False
    # Like kubectl, trust what the kubeconfig gives even when it is no root.
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    authority = pem(access.cluster_entry, "certificate-authority")
    if access.cluster_entry.get("insecure-skip-tls-verify"):
        if authority:
            raise LoginError(
                f"cluster {access.cluster!r} has a certificate authority and "
                "insecure-skip-tls-verify: remove one of them"
            )
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    elif authority:
        _trust(tls, authority, access.cluster)
    else:
        _trust_public(tls)
    if credentials.certificate:
        _show(tls, credentials, access.user)
    return tls


def _trust(tls: ssl.SSLContext, authority: bytes, cluster: str) -> None:
    # Files may hold comments in any encoding between the certificates.
    certificates = b"\n".join(_CERTIFICATE.findall(authority))
    try:
        tls.load_verify_locations(cadata=certificates.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise LoginError(
            f"the certificate-authority of cluster {cluster!r} holds no PEM certificate"
        ) from error


def _trust_public(tls: ssl.SSLContext) -> None:
    tls.load_default_certs()
    known = ssl.get_default_verify_paths()
    if not (known.cafile or known.capath):
        for bundle in _PUBLIC_CAS:
            if Path(bundle).is_file():
                tls.load_verify_locations(bundle)
                return


def _show(tls: ssl.SSLContext, credentials: Credentials, user: str) -> None:
    try:
        with _path_to(credentials.certificate) as certificate, _path_to(credentials.key) as key:
            # An encrypted key must fail, not ask on the terminal.
            tls.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise LoginError(
            f"the client certificate and key of user {user!r} cannot be used: {error}"
        ) from error


@contextmanager
def _path_to(content: bytes) -> Iterator[str]:
    """A path to a file that has no name, so that nothing can stay behind, however we end.

    The TLS library takes a private key only from a path.
    """
    if sys.platform == "win32":
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(content)
        try:
            yield file.name
        finally:
            Path(file.name).unlink()
        return
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"
