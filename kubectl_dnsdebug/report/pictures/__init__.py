"""What the report shows besides the verdict: target, path, matrix, resolv.conf, proofs."""

from __future__ import annotations

from kubectl_dnsdebug.parse.resolvconf import Difference
from kubectl_dnsdebug.report.pictures.files import (
    Comparison,
    comparison,
    comparison_json,
    expected,
    node_comparison,
    resolv_confs,
)
from kubectl_dnsdebug.report.pictures.matrix import (
    Cell,
    Form,
    Matrix,
    Row,
    failures,
    matrices,
    matrix_json,
)
from kubectl_dnsdebug.report.pictures.path import Hop, HopState, hop_json, paths
from kubectl_dnsdebug.report.pictures.proofs import describe, proofs
from kubectl_dnsdebug.report.pictures.target import places, target, targets

__all__ = [
    "Cell",
    "Comparison",
    "Difference",
    "Form",
    "Hop",
    "HopState",
    "Matrix",
    "Row",
    "comparison",
    "comparison_json",
    "describe",
    "expected",
    "failures",
    "hop_json",
    "matrices",
    "matrix_json",
    "node_comparison",
    "paths",
    "places",
    "proofs",
    "resolv_confs",
    "target",
    "targets",
]
