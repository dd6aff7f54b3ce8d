"""Files to keep and to hand on. For the user's eyes only: they name what is in a cluster."""

from __future__ import annotations

import io
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.model import DnsdebugError, Evidence
from kubectl_dnsdebug.report.render import RENDERERS, Style
from kubectl_dnsdebug.report.report import Report

LARGEST = 1 << 30  # bytes of evidence in an archive, which may come from anybody


def probe(*paths: str | None) -> None:
    """Raise DnsdebugError now for a file that could not be written at the end."""
    for path in filter(None, paths):
        new = not os.path.lexists(path)
        with _private(path, os.O_APPEND):
            pass
        if new:  # a run that fails keeps nothing, not even an empty file
            Path(path).unlink(missing_ok=True)


def text(path: str) -> str:
    """What a file of evidence holds, or standard input, "-"; of a bundle, the evidence in it.

    Raises DnsdebugError.
    """
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as wrong:
        raise DnsdebugError(f"could not read {path}: {wrong.strerror}") from None
    if content.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if archive.getinfo("evidence.json").file_size > LARGEST:
                    raise DnsdebugError(f"the evidence in {path} is too large to be read")
                content = archive.read("evidence.json")
        # Damaged, encrypted or packed in another way, each has an error of its own.
        except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, EOFError, OSError) as wrong:
            raise DnsdebugError(f"{path} is no bundle of dnsdebug: {wrong}") from None
    return content.decode("utf-8", "replace")


def save(evidence: Evidence, path: str) -> None:
    """Write the evidence. Raises DnsdebugError."""
    with _private(path, os.O_TRUNC) as file:
        file.write(files.dump(evidence).encode("utf-8"))


def keep(evidence: Evidence, report: Report, path: str | None, bundle: str | None) -> None:
    """Write the evidence to `path`, and a zip archive of it, its report and the version to
    `bundle`, those that are wanted. Raises DnsdebugError."""
    if path:
        save(evidence, path)
    if bundle:
        page = Style(width=100, colour=False, unicode=True)
        parts = {
            "report.html": RENDERERS["html"](report, page),
            "evidence.json": files.dump(evidence),
            "version": f"kubectl-dnsdebug {__version__}\n",
        }
        with _private(bundle, os.O_TRUNC) as file, zipfile.ZipFile(file, "w") as archive:
            for name, part in parts.items():
                # ZipInfo by itself has a fixed time: the same run makes the same archive.
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o600 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, part)


@contextmanager
def _private(path: str, how: int) -> Iterator[IO[bytes]]:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
        with os.fdopen(handle, "wb") as file:
            if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(handle).st_mode):
                os.fchmod(handle, 0o600)  # a file that was there would keep its mode
            yield file
    except OSError as wrong:
        raise DnsdebugError(f"could not write {path}: {wrong.strerror}") from None
