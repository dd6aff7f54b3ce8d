"""The causes the tool knows, in the order of the path, deeper ones first. One file a rule.

Listed by name, never found by scanning: a frozen program has no folder to scan.
"""

from __future__ import annotations

from kubectl_dnsdebug.rule import Rule

RULES: tuple[Rule, ...] = ()
