"""`make frozen`: the program for machines without Python, in dist/.

A folder, the archive of it that is released, and the list of its parts (CycloneDX). Nothing is
done when nothing changed that goes into it.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from time import gmtime
from typing import Any

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
NAME = "kubectl-dnsdebug"
# In the words of Go, Kubernetes and krew.
OS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}[sys.platform]
ARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[
    platform.machine().lower()
]
FOLDER = DIST / NAME
WORK = ROOT / "build" / "frozen"
ARCHIVE = DIST / f"{NAME}-{OS}-{ARCH}{'.zip' if OS == 'windows' else '.tar.gz'}"
PARTS = DIST / f"{NAME}-{OS}-{ARCH}.cdx.json"
MANUAL = ROOT / "docs" / f"{NAME}.1"
KEY = DIST / "frozen.key"
LICENCE = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)


def main() -> None:
    """Build, unless what is there was made of the same inputs."""
    key = inputs()
    if KEY.is_file() and KEY.read_text() == key and ARCHIVE.is_file() and PARTS.is_file():
        return
    KEY.unlink(missing_ok=True)
    freeze()
    bundled = list(distributions())
    add_licences(bundled)
    add_manual()
    pack()
    PARTS.write_text(json.dumps(parts_list(bundled), indent=1) + "\n")
    KEY.write_text(key)
    print(f"{ARCHIVE.relative_to(ROOT)}: {ARCHIVE.stat().st_size / 1e6:.1f} MB")


def inputs() -> str:
    """The hash of all that goes in: code, build, pinned packages, Python, the date in it."""
    digest = hashlib.sha256(f"{sys.version} {sys.prefix} {OS} {ARCH} {stamp()}".encode())
    sources = [*(ROOT / "kubectl_dnsdebug").rglob("*"), *(ROOT / "packaging").iterdir()]
    for path in sorted([*sources, MANUAL, ROOT / "requirements-dev.txt"]):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and not re.search(r"__pycache__|/\.", name):
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def stamp() -> int:
    """The date of every file, in Unix time: two builds of one release give the same archive."""
    # The zip format knows no earlier day.
    return int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))


def freeze() -> None:
    """Run PyInstaller in a process of its own, where hashing is the same each time."""
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR"]
    command += ["--distpath", str(DIST), "--workpath", str(WORK)]
    environ = os.environ | {"PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": str(stamp())}
    spec = ROOT / "packaging" / f"{NAME}.spec"
    done = subprocess.run([*command, spec], env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")


def distributions() -> Iterator[Distribution]:
    """The packages of which something is in the program, of all that it names as needed."""
    inside = bundled_modules()
    return (
        each
        for each in requirements()
        if inside & {Path(file.parts[0]).stem for file in each.files or ()}
    )


def bundled_modules() -> set[str]:
    """Top names of the Python modules inside, as PyInstaller noted them."""
    _, modules = ast.literal_eval((WORK / NAME / "PYZ-00.toc").read_text("utf-8"))
    return {module.split(".")[0] for module, *_ in modules}


def requirements() -> Iterator[Distribution]:
    """What the program needs, and what that needs, on this platform."""
    todo, seen = [NAME], {NAME}
    while todo:
        for line in distribution(todo.pop()).requires or ():
            name = re.split(r"[^\w.-]", line)[0].lower()
            if "extra ==" in line or name in seen:
                continue
            seen.add(name)
            try:
                yield distribution(name)
            except PackageNotFoundError:  # for another platform
                continue
            todo.append(name)


def add_licences(bundled: Iterable[Distribution]) -> None:
    """Ours beside the program, everybody else's, Python's included, in a folder."""
    shutil.copy(ROOT / "LICENSE", FOLDER)
    for each in bundled:
        for file in each.files or ():
            if LICENCE.match(file.name) and ".dist-info" in str(file):
                target = FOLDER / "licenses" / each.name / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)
    for place in (sysconfig.get_path("stdlib"), sys.base_prefix):
        if (own := Path(place) / "LICENSE.txt").is_file():
            shutil.copy(own, FOLDER / "licenses" / "python.txt")


def add_manual() -> None:
    """Where `man` looks beside a program."""
    folder = FOLDER / "share" / "man" / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(MANUAL, folder)


def pack() -> None:
    """Only files, no links: krew refuses them. Sorted, dated and owned alike on every machine."""
    files = [(f"{NAME}/{path.relative_to(FOLDER).as_posix()}", path) for path in walk(FOLDER)]
    if OS == "windows":
        with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, path in files:
                packed.writestr(zipfile.ZipInfo(name, gmtime(stamp())[:6]), path.read_bytes())
        return
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, path in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = path.stat().st_size, stamp()
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
    with ARCHIVE.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=stamp()) as packed:
        packed.write(plain.getvalue())


def walk(folder: Path) -> list[Path]:
    """Every file, what links point to in their place."""
    return sorted(
        Path(base, name) for base, _, names in os.walk(folder, followlinks=True) for name in names
    )


def parts_list(bundled: Iterable[Distribution]) -> dict[str, Any]:
    """The CycloneDX document: Python, the packages, and the hash of every shared library."""
    packages = [
        {"type": "library", "name": each.name, "version": each.version}
        | {"purl": f"pkg:pypi/{each.name.lower()}@{each.version}"}
        for each in bundled
    ]
    libraries = [
        {"type": "file", "name": path.relative_to(FOLDER).as_posix()}
        | {"hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]}
        for path in walk(FOLDER)
        if re.search(r"\.(so|dylib|dll|pyd)(\.|$)", path.name)
    ]
    python = {"type": "platform", "name": "python", "version": platform.python_version()}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": NAME,
                "version": distribution(NAME).version,
            }
        },
        "components": [python, *sorted(packages, key=lambda part: part["name"]), *libraries],
    }


if __name__ == "__main__":
    main()
