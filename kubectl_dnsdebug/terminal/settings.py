"""The user's own defaults: the file that saves typing the same flags each time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

# Kubernetes' own DNS debugging page uses this image: Alpine with dig, nslookup and a shell. The
# registry never changes what a tag of it is.
DEFAULT_IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"

# Key of the file -> parameter of the command, and what the value must be.
_KEYS: dict[str, tuple[str, type]] = {
    "image": ("image", str),
    "image-pull-secret": ("pull_secrets", str),
    "timeout": ("timeout", float),
}


class Diagnosing(click.Command):
    """A command whose flags the file gives defaults to; flags and the environment go before it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        # A broken file must not hide the help, nor talk into a completion.
        if not extra.get("resilient_parsing") and not {"-h", "--help"} & set(args):
            import os

            extra.setdefault("default_map", read(path(os.environ)))
        return super().make_context(info_name, args, parent=parent, **extra)


def path(environ: Mapping[str, str]) -> Path:
    """Where the file is looked for."""
    base = Path(environ.get("XDG_CONFIG_HOME") or "~/.config")
    return base.expanduser() / "kubectl-dnsdebug" / "config.toml"


def read(file: Path) -> dict[str, Any]:
    """The parameters that the file sets; none without a file. A file that is wrong is wrong usage:
    going on with another image than the one meant would be worse."""
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as wrong:
        raise click.UsageError(f"{file}: {wrong}") from None
    import tomllib

    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise click.UsageError(f"{file}: {wrong}") from None
    return dict(_setting(file, key, value) for key, value in given.items())


def _setting(file: Path, key: str, value: Any) -> tuple[str, Any]:
    if key not in _KEYS:
        raise click.UsageError(f"{file}: {key} is not one of {', '.join(_KEYS)}")
    name, kind = _KEYS[key]
    # In TOML 60 is an integer; true is one for Python only.
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
        raise click.UsageError(
            f"{file}: {key} must be a {'number of seconds' if kind is float else 'text'}"
        )
    return name, (value,) if name == "pull_secrets" else value
