"""The mirror recipe of the pages, between two registries of this machine."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs_commands import DOCS, consoles

CRANE = shutil.which("crane")
# What the page names, each a registry of its own here.
NAMED = ("registry.k8s.io", "registry.example.com")


@pytest.fixture
def registries() -> Iterator[dict[str, str]]:
    """The page's registries, by the address that stands for each."""
    with ExitStack() as stack:
        found = {}
        for name in NAMED:
            with socket.create_server(("127.0.0.1", 0)) as free:
                found[name] = f"127.0.0.1:{free.getsockname()[1]}"
            serve = [str(CRANE), "registry", "serve", "--address", found[name]]
            process = stack.enter_context(subprocess.Popen(serve, stderr=subprocess.DEVNULL))
            stack.callback(process.kill)
        for address in found.values():
            reach(address)
        yield found


def reach(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(100):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{address} did not come up")


@pytest.mark.skipif(CRANE is None, reason="no crane here")
def test_crane_copies_and_tells_the_digest(registries: dict[str, str], tmp_path: Path) -> None:
    typed = [each for each in consoles(DOCS / "air-gapped.md") if each.startswith("crane ")]
    assert [each.split()[1] for each in typed] == ["copy", "digest"]
    here = [
        re.sub("|".join(NAMED), lambda found: registries[found[0]], command) for command in typed
    ]
    with tarfile.open(tmp_path / "layer.tar", "w") as layer:
        layer.add(__file__, "file")
    source = here[0].split()[2]
    append = ["crane", "append", "--new_layer", str(tmp_path / "layer.tar"), "--new_tag", source]
    subprocess.run(append, check=True, capture_output=True)
    told = [subprocess.check_output(["sh", "-c", command], text=True) for command in here]
    own = subprocess.check_output(["crane", "digest", source], text=True)
    assert told[1] == own
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", own)
