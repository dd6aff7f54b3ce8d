"""The krew index entry: filled in, checked as krew checks it, installed as krew installs it.

python packaging/krew.py VERSION OWNER/REPOSITORY dist/kubectl-dnsdebug-*.tar.gz ...
    writes dist/dnsdebug.yaml, or says what krew would refuse and exits 1
"""

from __future__ import annotations

import argparse
import hashlib
import os
import posixpath
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "krew-manifest.yaml"
API_VERSION = "krew.googlecontainertools.github.com/v1alpha2"
# Where krew runs. A selector that matches none of them, or a platform that two match, is refused.
PLATFORMS = {
    *(("windows", arch) for arch in ("386", "amd64", "arm64")),
    *(("linux", arch) for arch in ("386", "amd64", "arm", "arm64", "ppc64le")),
    *(("darwin", arch) for arch in ("386", "amd64", "arm64")),
}
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)),
}
SEMVER = re.compile(
    r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
)
LICENCES = {"license", "license.txt", "license.md", "licenses", "licenses.txt", "licenses.md"}
LICENCES |= {"copying", "copying.txt"}


class Refused(Exception):
    """krew would not install this; the text says why."""


def main(arguments: Sequence[str]) -> None:
    """Write the entry for the archives of one release."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", help="tag of the release, such as v1.2.3")
    parser.add_argument("repository", help="OWNER/NAME on GitHub")
    parser.add_argument("archives", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    manifest = fill(
        yaml.safe_load(TEMPLATE.read_text()), given.version, given.repository, given.archives
    )
    target = ROOT / "dist" / f"{manifest['metadata']['name']}.yaml"
    wrong = [*problems(target.name, manifest), *missing(manifest)]
    for archive in given.archives:
        wrong += archive_problems(archive)
    if wrong:
        sys.exit("\n".join(wrong))
    target.write_text(dump(manifest))
    print(target.relative_to(ROOT))


def fill(template: Manifest, version: str, repository: str, archives: Sequence[Path]) -> Manifest:
    """The template with version, addresses and checksums, without what has no archive."""
    spec = template["spec"]
    home = f"https://github.com/{repository}"
    built = {archive.name: archive for archive in archives}
    platforms = [
        platform
        | {"uri": f"{home}/releases/download/{version}/{name}", "sha256": sha256(built[name])}
        for platform in spec["platforms"]
        if (name := posixpath.basename(platform["uri"])) in built
    ]
    return template | {
        "spec": spec | {"version": version, "homepage": home, "platforms": platforms}
    }


def missing(manifest: Manifest) -> Iterator[str]:
    """Platforms of the template that a release forgot."""
    there = {_selected(platform) for platform in manifest["spec"]["platforms"]}
    for platform in yaml.safe_load(TEMPLATE.read_text())["spec"]["platforms"]:
        if _selected(platform) not in there:
            yield f"no archive for {'/'.join(_selected(platform))}"


def dump(manifest: Manifest) -> str:
    """YAML as people write it: order kept, long text as a block, nothing by reference."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    return yaml.dump(manifest, Dumper=Dumper, sort_keys=False, width=1000)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# -- what krew and the review of its index refuse --------------------------------------------------


def problems(file_name: str, manifest: Manifest) -> Iterator[str]:
    """What is wrong with an entry of this file name."""
    stem, extension = posixpath.splitext(file_name)
    spec = manifest.get("spec") or {}
    if extension != ".yaml":
        yield f"{file_name}: the file must end in .yaml"
    if manifest.get("apiVersion") != API_VERSION or manifest.get("kind") != "Plugin":
        yield f"apiVersion and kind must be {API_VERSION} Plugin"
    if not re.fullmatch(r"[\w-]+", stem, re.ASCII) or stem.lower() in RESERVED:
        yield f"{stem!r} is no name for a plugin"
    if (manifest.get("metadata") or {}).get("name") != stem:
        yield f"metadata.name must be the file's, {stem!r}"
    short = spec.get("shortDescription") or ""
    if not short or len(short.splitlines()) != 1 or len(short) > 50:
        yield "shortDescription must be one line of at most 50 characters"
    if any(len(line) > 80 for line in (spec.get("description") or "").splitlines()):
        yield "description must be wrapped at 80 characters"
    if not SEMVER.fullmatch(spec.get("version") or ""):
        yield f"version {spec.get('version')!r} must be a semantic version with a leading v"
    if not spec.get("platforms"):
        yield "there must be a platform"
    chosen: set[tuple[str, str]] = set()
    for number, platform in enumerate(spec.get("platforms") or ()):
        for problem in platform_problems(platform):
            yield f"platforms[{number}]: {problem}"
        matched = matches(platform)
        if not matched:
            yield f"platforms[{number}]: selects nothing krew runs on"
        if matched & chosen:
            yield f"platforms[{number}]: selects what another one does: {sorted(matched & chosen)}"
        chosen |= matched


def platform_problems(platform: Manifest) -> Iterator[str]:
    """What is wrong with one platform of an entry."""
    for key in ("uri", "bin"):
        if not platform.get(key):
            yield f"{key} must be set"
    if not re.fullmatch(r"[0-9a-f]{64}", platform.get("sha256") or ""):
        yield "sha256 must be 64 hexadecimal digits in lower case"
    files = platform.get("files")
    if files is not None and not files:
        yield "files must be left out or name something"
    for each in files or ():
        if not each.get("from") or not each.get("to"):
            yield "files need from and to"
        elif posixpath.normpath(each["to"]) != each["to"]:
            yield f"files: {each['to']!r} must be written {posixpath.normpath(each['to'])!r}"
    selector = platform.get("selector") or {}
    # krew also takes matchExpressions; one form of writing is enough here.
    if not selector.get("matchLabels") or set(selector) != {"matchLabels"}:
        yield "selector must be matchLabels, and not empty"
    elif unknown := set(selector["matchLabels"]) - {"os", "arch"}:
        yield f"selector knows os and arch only, not {sorted(unknown)}"
    windows = ("windows", "amd64") in matches(platform)
    if windows != (platform.get("bin") or "").endswith(".exe"):
        yield "bin must end in .exe on Windows, and only there"


def matches(platform: Manifest) -> set[tuple[str, str]]:
    """The platforms that a selector selects."""
    labels = (platform.get("selector") or {}).get("matchLabels") or {}
    return {
        (system, arch)
        for system, arch in PLATFORMS
        if labels.items() <= {"os": system, "arch": arch}.items()
    }


def _selected(platform: Manifest) -> tuple[str, str]:
    labels = platform["selector"]["matchLabels"]
    return labels["os"], labels["arch"]


def archive_problems(archive: Path) -> Iterator[str]:
    """What krew would not unpack, and whether it finds a licence."""
    names = set()
    try:
        for name, plain in entries(archive):
            names.add(posixpath.basename(name).lower())
            if not plain:
                yield f"{archive.name}: {name} is a link or a device"
            if ".." in name or name.startswith(("/", "\\")):
                yield f"{archive.name}: {name} leaves the archive"
    except Refused as refused:
        yield str(refused)
        return
    if not LICENCES & names:
        yield f"{archive.name}: has no licence"


def entries(archive: Path) -> Iterator[tuple[str, bool]]:
    """Each name in an archive, and whether it is a plain file or a directory."""
    start = archive.read_bytes()[:4]
    if start == b"PK\x03\x04":
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                kind = info.external_attr >> 28  # file type of a Unix mode; 0 where there is none
                yield info.filename, kind in (0, 4, 8)
    elif start[:2] == b"\x1f\x8b":
        with tarfile.open(archive) as tar:
            for member in tar:
                # Asked for the type as written: a hard link passes for a file otherwise.
                yield (
                    member.name,
                    member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE),
                )
    else:
        raise Refused(f"{archive.name}: neither zip nor tar.gz")


# -- what krew does to install ---------------------------------------------------------------------


def install(manifest: Manifest, platform: Manifest, archive: Path, root: Path) -> Path:
    """Verify, unpack, move, and link; gives the link in ROOT/bin. Raises Refused."""
    if sha256(archive) != platform["sha256"]:
        raise Refused(f"{archive.name}: the checksum is another")
    if wrong := list(archive_problems(archive)):
        raise Refused("\n".join(wrong))
    name, version = manifest["metadata"]["name"], manifest["spec"]["version"]
    store = root / "store" / name / version
    with tempfile.TemporaryDirectory() as unpacked:
        shutil.unpack_archive(archive, unpacked)
        for each in platform.get("files") or [{"from": "*", "to": "."}]:
            found = sorted(Path(unpacked).glob(each["from"]))
            if not found:
                raise Refused(f"{archive.name}: nothing matches {each['from']}")
            (store / each["to"]).mkdir(parents=True, exist_ok=True)
            for path in found:
                shutil.move(path, store / each["to"])
    program = store / platform["bin"]
    if not os.access(program, os.X_OK):
        raise Refused(f"{archive.name}: {platform['bin']} is no program")
    link = root / "bin" / f"kubectl-{name.replace('-', '_')}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(program)
    return link


if __name__ == "__main__":
    main(sys.argv[1:])
