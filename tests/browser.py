"""A real Chromium without a window: what a page measures, what it complains of, how it looks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
# A window of Chromium is never narrower than 500 pixels; a frame in it may be.
FRAME = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="f" width="{width}" height="4000" style="border:0" srcdoc="{page}"></iframe>
<pre id="result"></pre><script>
const frame = document.getElementById("f");
frame.onload = () => {{
  const inner = frame.contentDocument, view = frame.contentWindow;
  const seen = (e) => e.getClientRects().length > 0;
  const wide = [...inner.querySelectorAll("body *")].filter((e) =>
    seen(e) && !e.closest(".scroll, .unseen, .skip, symbol") &&
    e.getBoundingClientRect().right > {width} + 1);
  document.getElementById("result").textContent = JSON.stringify({{
    scroll: inner.documentElement.scrollWidth,
    wide: wide.map((e) => e.tagName + "." + e.getAttribute("class")).slice(0, 5),
    drawings: [...inner.querySelectorAll("svg.picture")].filter(seen).length,
    font: Math.min(...[...inner.querySelectorAll("p, td, th, li, dd, pre")]
      .filter(seen).map((e) => parseFloat(view.getComputedStyle(e).fontSize))),
    scripts: inner.scripts.length,
    loaded: view.performance.getEntriesByType("resource").map((e) => e.name),
  }});
}};
</script>"""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def run(folder: Path, *arguments: str) -> tuple[str, list[str]]:
    """What the browser printed, and the lines of its console. It keeps nothing beyond `folder`."""
    assert PROGRAM
    made = subprocess.run(
        [PROGRAM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return made.stdout, re.findall(r".*CONSOLE.*", made.stderr)


def measure(folder: Path, page: str, width: int) -> tuple[dict[str, Any], list[str]]:
    """What a page measures in a window of that width, and the console's complaints."""
    frame = folder / "frame.html"
    quoted = page.replace("&", "&amp;").replace('"', "&quot;")
    frame.write_text(FRAME.format(width=width, page=quoted), "utf-8")
    dom, console = run(folder, "--virtual-time-budget=4000", "--dump-dom", frame.as_uri())
    result = re.search(r'<pre id="result">(.+?)</pre>', dom)
    assert result, dom[-500:]
    return json.loads(unescape(result[1])), console


def screenshot(folder: Path, page: str, name: str, width: int, *, dark: bool) -> Path:
    file, picture = folder / f"{name}.html", folder / f"{name}.png"
    file.write_text(page, "utf-8")
    scheme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    run(folder, *scheme, f"--window-size={width},2400", f"--screenshot={picture}", file.as_uri())
    return picture
