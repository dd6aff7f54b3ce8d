"""What is released: the frozen program, its archive, and the krew index entry."""

from __future__ import annotations

import copy
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import kubectl_dnsdebug
from kubectl_dnsdebug import cli
from kubectl_dnsdebug.rules import RULES
from kubectl_dnsdebug.terminal.flags import FORMATS
from tests.fake_api import Answer, FakeApi

ROOT = Path(__file__).parent.parent


def script(name: str) -> ModuleType:
    """A program of packaging/, which is no package: that name is taken."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build, krew, man = script("build"), script("krew"), script("man")
TEMPLATE = yaml.safe_load(krew.TEMPLATE.read_text())


# -- the index entry -------------------------------------------------------------------------------


def test_the_template_is_an_entry_of_this_version() -> None:
    assert not list(krew.problems("dnsdebug.yaml", TEMPLATE))
    assert TEMPLATE["spec"]["version"] == f"v{kubectl_dnsdebug.__version__}"
    assert {krew._selected(each) for each in TEMPLATE["spec"]["platforms"]} == {
        *(("linux", arch) for arch in ("amd64", "arm64")),
        *(("darwin", arch) for arch in ("amd64", "arm64")),
        ("windows", "amd64"),
    }


def change(**spec: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entry: entry["spec"].update(spec)


def change_platform(**platform: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entry: entry["spec"]["platforms"][0].update(platform)


def selector(**labels: str) -> Callable[[dict[str, Any]], None]:
    return change_platform(selector={"matchLabels": labels})


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda entry: entry.update(apiVersion="v1"), "apiVersion"),
        (lambda entry: entry.update(kind="Pod"), "kind"),
        (lambda entry: entry["metadata"].update(name="dns-debug"), "metadata.name"),
        (change(version="0.1.0"), "leading v"),
        (change(version="v1.2"), "semantic"),
        (change(version=None), "version"),
        (change(shortDescription=""), "shortDescription"),
        (change(shortDescription="two\nlines"), "shortDescription"),
        (change(shortDescription="x" * 51), "50 characters"),
        (change(description="x" * 81), "80 characters"),
        (change(platforms=[]), "a platform"),
        (change_platform(uri=""), "uri"),
        (change_platform(bin=""), "bin"),
        (change_platform(bin="kubectl-dnsdebug.exe"), ".exe"),
        (change_platform(sha256="AB" * 32), "lower case"),
        (change_platform(sha256="ab"), "sha256"),
        (change_platform(files=[]), "files"),
        (change_platform(files=[{"from": "*"}]), "from and to"),
        (change_platform(files=[{"from": "*", "to": "./"}]), "must be written '.'"),
        (change_platform(selector=None), "selector"),
        (change_platform(selector={"matchLabels": {}}), "selector"),
        (change_platform(selector={"matchExpressions": []}), "selector"),
        (selector(os="linux", arch="riscv64"), "selects nothing"),
        (selector(os="linux", libc="musl"), "os and arch only"),
        (selector(os="linux"), "selects what another one does"),
    ],
)
def test_what_krew_refuses_in_an_entry(broken: Callable[[dict[str, Any]], None], says: str) -> None:
    entry = copy.deepcopy(TEMPLATE)
    broken(entry)
    assert says in "\n".join(krew.problems("dnsdebug.yaml", entry))


@pytest.mark.parametrize(
    "name", ["krew-manifest.yaml", "dnsdebug.yml", "con.yaml", "dns debug.yaml"]
)
def test_what_krew_refuses_in_a_file_name(name: str) -> None:
    entry = copy.deepcopy(TEMPLATE)
    entry["metadata"]["name"] = (
        name.rpartition(".")[0] if name != "krew-manifest.yaml" else "dnsdebug"
    )
    assert list(krew.problems(name, entry))


def tar(target: Path, *members: tarfile.TarInfo | str) -> Path:
    with tarfile.open(target, "w:gz") as packed:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            packed.addfile(info, io.BytesIO())
    return target


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("lib/link")
    info.type, info.linkname = kind, "LICENSE"
    return info


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (("a/LICENSE", "a/program"), ""),
        (("LICENSE", link(tarfile.SYMTYPE)), "lib/link is a link"),
        (("LICENSE", link(tarfile.LNKTYPE)), "lib/link is a link"),
        (("LICENSE", "../evil"), "leaves the archive"),
        (("LICENSE", "lib/a..b"), "leaves the archive"),
        (("LICENSE", "/evil"), "leaves the archive"),
        (("program",), "no licence"),
    ],
)
def test_what_krew_refuses_in_an_archive(
    tmp_path: Path, members: tuple[tarfile.TarInfo | str, ...], says: str
) -> None:
    assert says in "\n".join(krew.archive_problems(tar(tmp_path / "a.tar.gz", *members)))
    if not says:
        assert not list(krew.archive_problems(tmp_path / "a.tar.gz"))


def test_a_zip_is_read_as_well_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("LICENSE", "")
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "LICENSE")
    assert list(krew.archive_problems(tmp_path / "a.zip")) == ["a.zip: link is a link or a device"]
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    assert list(krew.archive_problems(tmp_path / "a.rar")) == ["a.rar: neither zip nor tar.gz"]


def test_filling_in_the_entry(tmp_path: Path) -> None:
    archive = tar(tmp_path / "kubectl-dnsdebug-linux-amd64.tar.gz", "LICENSE")
    filled = krew.fill(TEMPLATE, "v9.8.7", "me/kubectl-dnsdebug", [archive])
    assert yaml.safe_load(krew.dump(filled)) == filled
    assert "&" not in krew.dump(filled).replace("&&", "")
    assert not list(krew.problems("dnsdebug.yaml", filled))
    (platform,) = filled["spec"]["platforms"]
    assert platform["sha256"] == krew.sha256(archive)
    assert platform["uri"] == (
        "https://github.com/me/kubectl-dnsdebug/releases/download/v9.8.7/" + archive.name
    )
    assert "no archive for windows/amd64" in list(krew.missing(filled))
    assert "OWNER" not in krew.dump(filled)


# -- the manual ------------------------------------------------------------------------------------


def test_the_manual_is_in_step_with_the_commands() -> None:
    assert man.PAGE.read_text("utf-8") == man.page(), "run: make docs"


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_the_manual_is_well_formed_and_names_every_command() -> None:
    said = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-rLL=80n", man.PAGE],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""
    text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", said.stdout)
    assert max(map(len, text.splitlines())) <= 80
    for name, command in cli.root.commands.items():
        assert command.hidden or re.search(rf"^ {{3}}{name}\b", text, re.MULTILINE)


# -- what pip installs -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def from_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, the wheel made of the source archive alone."""
    folder = tmp_path_factory.mktemp("sdist")
    source = folder / "source"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "kubectl_dnsdebug", source / "kubectl_dnsdebug", ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "docs").mkdir()
    shutil.copy(man.PAGE, source / "docs")
    pack = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    made = [sys.executable, "-c", pack, str(folder)]
    subprocess.run(made, cwd=source, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*wheel, "--wheel-dir", folder, sdist], check=True)
    (packed,) = folder.glob("*.whl")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_source_archive_has_every_file_of_the_program(from_sdist: Path) -> None:
    def files(root: Path) -> set[str]:
        found = (path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)) for path in found if path.suffix != ".pyc"}

    assert files(from_sdist / "kubectl_dnsdebug") == files(ROOT / "kubectl_dnsdebug")


def test_the_manual_is_installed_where_man_looks(from_sdist: Path) -> None:
    (page,) = from_sdist.glob("*.data/data/share/man/man1/*")
    assert page.read_bytes() == man.PAGE.read_bytes()


def test_what_is_installed_runs_as_a_module(from_sdist: Path, tmp_path: Path) -> None:
    for words, says in (
        (["--version"], f"kubectl-dnsdebug {kubectl_dnsdebug.__version__}"),
        (["explain", RULES[0].slug], RULES[0].slug),
        (["rbac"], "kind: ClusterRole"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "kubectl_dnsdebug", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(from_sdist)},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert says in done.stdout


def test_nothing_that_windows_lacks_is_needed_to_start() -> None:
    """Its release runs these tests; what only Linux has is loaded where it is used."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['fcntl', 'grp', 'pty', 'pwd', 'resource', 'termios']))\n"
        "import tests.conftest, tests.test_packaging\n"
        "import kubectl_dnsdebug.cli, kubectl_dnsdebug.terminal.live\n"
        "import kubectl_dnsdebug.collect.run, kubectl_dnsdebug.collect.node_run\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# -- the frozen program ----------------------------------------------------------------------------

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def archive() -> Path:
    """The archive that was built of this very code."""
    if not build.KEY.is_file() or build.KEY.read_text() != build.inputs():
        pytest.skip("no frozen program of this code: run `make frozen`")
    built: Path = build.ARCHIVE
    return built


@pytest.fixture(scope="session")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The link that krew makes, in its folder of links."""
    entry = krew.fill(TEMPLATE, TEMPLATE["spec"]["version"], "me/it", [archive])
    (platform,) = entry["spec"]["platforms"]
    installed: Path = krew.install(entry, platform, archive, tmp_path_factory.mktemp("krew"))
    return installed


@pytest.fixture
def run(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the installed program from a folder of no importance; keywords are its environment."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        env = kept | {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"} | environ
        return subprocess.run([installed, *words], env=env, capture_output=True, text=True)

    return run


def test_the_archive_is_one_krew_takes(archive: Path) -> None:
    assert not list(krew.archive_problems(archive))
    names = {name for name, _ in krew.entries(archive)}
    assert {name.split("/")[0] for name in names} == {"kubectl-dnsdebug"}
    for part in ("LICENSE", "licenses/python.txt", "share/man/man1/kubectl-dnsdebug.1"):
        assert f"kubectl-dnsdebug/{part}" in names


def test_krew_refuses_another_archive(archive: Path, tmp_path: Path) -> None:
    entry = krew.fill(TEMPLATE, "v1.0.0", "me/it", [archive])
    (platform,) = entry["spec"]["platforms"]
    with pytest.raises(krew.Refused, match="checksum"):
        krew.install(entry, platform | {"sha256": "0" * 64}, archive, tmp_path)


def test_the_list_of_parts_names_what_is_inside(archive: Path) -> None:
    parts = json.loads(build.PARTS.read_text())
    names = {part["name"] for part in parts["components"]}
    assert {"python", "click", "PyYAML", "urllib3", "kubernetes"} <= names
    assert not {"aiohttp", "pytest", "Pygments"} & names
    assert any("libpython" in name or "python3" in name for name in names)
    assert archive.name.startswith(build.PARTS.name.removesuffix(".cdx.json"))


def test_kubectl_runs_it_from_where_krew_puts_it(installed: Path, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on PATH")
    env = {
        "PATH": f"{installed.parent}:{Path(kubectl).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    said = subprocess.check_output(
        [kubectl, "dnsdebug", "--version"], env=env, cwd=tmp_path, text=True
    )
    assert said == f"kubectl-dnsdebug {kubectl_dnsdebug.__version__}\n"


@pytest.mark.skipif(build.OS != "linux", reason="the page shows it for Linux")
def test_it_is_installed_by_the_commands_of_the_page(archive: Path, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on PATH")
    page = (ROOT / "docs" / "install.md").read_text()
    block = page.partition("## From an archive")[2].partition("```console")[2].partition("```")[0]
    typed = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    shutil.copy(archive, tmp_path / "kubectl-dnsdebug-linux-amd64.tar.gz")
    env = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/.local/bin:{os.environ['PATH']}"}
    said = subprocess.check_output(
        ["sh", "-e", "-c", "\n".join(typed)], env=env, cwd=tmp_path, text=True
    )
    assert said == f"kubectl-dnsdebug {kubectl_dnsdebug.__version__}\n"


def test_its_usage_is_kubectls(run: Run) -> None:
    assert run("--help").stdout.startswith("Usage: kubectl dnsdebug ")
    wrong = run("--nonsense", "web")
    assert (wrong.returncode, wrong.stderr.split("\n")[0]) == (
        2,
        "Usage: kubectl dnsdebug diagnose [OPTIONS] [TARGETS]...",
    )


def from_source(*words: str) -> subprocess.CompletedProcess[str]:
    """The same words to the code here."""
    code = "from kubectl_dnsdebug.cli import main; main()"
    env = os.environ | {"LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_it_has_every_rule(run: Run) -> None:
    listed = run("explain")
    assert len(listed.stdout.splitlines()) == len(RULES)
    assert listed.stdout == from_source("explain").stdout
    slug = RULES[-1].slug
    assert run("explain", slug).stdout == from_source("explain", slug).stdout
    assert run("explain", "nonsense").returncode == 2


@pytest.mark.parametrize("output", FORMATS)
def test_it_reports_as_the_source_does(run: Run, output: str) -> None:
    saved = sorted((ROOT / "tests" / "cases").glob("*/*/evidence.json"))[0]
    words = ("replay", str(saved), "-o", output)
    ours, frozen = from_source(*words), run(*words)
    assert frozen.stdout == ours.stdout
    assert frozen.returncode == ours.returncode
    assert ours.stdout


# -- the frozen program and a cluster --------------------------------------------------------------


def kubeconfig(folder: Path, server: dict[str, Any], user: dict[str, Any]) -> str:
    """The path of a file with one way in."""
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "u", "user": user}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(content))
    return str(file)


def no_pods(api: FakeApi) -> None:
    api.on("/api/v1/namespaces/default/pods", Answer(body={"kind": "PodList", "items": []}))


def test_it_reaches_a_cluster(run: Run, api: FakeApi, tmp_path: Path) -> None:
    no_pods(api)
    done = run("cleanup", KUBECONFIG=kubeconfig(tmp_path, {"server": api.url}, {}))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nothing left by dnsdebug")


def test_it_trusts_whom_ssl_cert_file_names(run: Run, secure: FakeApi, tmp_path: Path) -> None:
    no_pods(secure)
    config = kubeconfig(tmp_path, {"server": secure.url}, {"token": "t"})
    assert run("cleanup", KUBECONFIG=config).returncode == 1
    assert not secure.seen
    assert run("cleanup", KUBECONFIG=config, SSL_CERT_FILE=str(secure.ca)).returncode == 0


@pytest.mark.parametrize("own", ["", "/opt/own/lib"])
def test_a_credential_plugin_gets_the_users_library_path(
    run: Run, secure: FakeApi, tmp_path: Path, own: str
) -> None:
    no_pods(secure)
    version = "client.authentication.k8s.io/v1"
    answer = {"kind": "ExecCredential", "apiVersion": version, "status": {"token": "from-plugin"}}
    plugin = tmp_path / "plugin"
    plugin.write_text(
        "#!/bin/sh\n"
        f"printf %s \"${{LD_LIBRARY_PATH-}}\" >'{tmp_path}/path'\n"
        f"echo '{json.dumps(answer)}'\n"
    )
    plugin.chmod(0o755)
    user = {"exec": {"command": str(plugin), "apiVersion": version, "interactiveMode": "Never"}}
    server = {"server": secure.url, "certificate-authority": str(secure.ca)}
    environ = {"KUBECONFIG": kubeconfig(tmp_path, server, user)}
    done = run("cleanup", **environ, **({"LD_LIBRARY_PATH": own} if own else {}))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "path").read_text() == own
    assert secure.seen[0].headers["authorization"] == "Bearer from-plugin"


def test_it_completes_through_a_link(
    run: Run, installed: Path, api: FakeApi, tmp_path: Path
) -> None:
    api.on("/api/v1/namespaces/default/pods", Answer(body={"rows": [{"cells": ["web-1"]}]}))
    link = tmp_path / "kubectl_complete-dnsdebug"
    link.symlink_to(installed)
    env = {"PATH": "/usr/bin:/bin", "KUBECONFIG": kubeconfig(tmp_path, {"server": api.url}, {})}
    assert subprocess.check_output([link, "we"], env=env, text=True) == "web-1\n:4\n"
