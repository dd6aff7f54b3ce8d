"""What the report shows besides the verdict: target, path, matrix, resolv.conf, proofs."""

from __future__ import annotations

from kubectl_dnsdebug.pictures.files import (
    Comparison,
    comparison,
    comparison_json,
    expected,
    resolv_confs,
)
from kubectl_dnsdebug.pictures.matrix import (
    Cell,
    Form,
    Matrix,
    Row,
    failures,
    matrices,
    matrix_json,
)
from kubectl_dnsdebug.pictures.path import Hop, HopState, hop_json, paths
from kubectl_dnsdebug.pictures.proofs import describe, proofs
from kubectl_dnsdebug.pictures.target import target, targets
from kubectl_dnsdebug.resolvconf import Difference

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
    "paths",
    "proofs",
    "resolv_confs",
    "target",
    "targets",
]
