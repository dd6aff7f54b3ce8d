"""The public shape of a watch, as `report.schema.json` describes it."""

from __future__ import annotations

from typing import Any

from kubectl_dnsdebug.report.watch import SLOTS, Picture, Row, told


def watch_json(picture: Picture) -> dict[str, Any]:
    """The public shape."""
    return {
        "seconds": picture.seconds,
        "asked_for": picture.asked_for,
        "series": [_row_json(row, picture) for row in picture.rows],
        "histogram": [
            {
                "from_ms": bar.first,
                "to_ms": bar.last,
                "answers": bar.answers,
                "lookups": bar.lookups,
                "step": bar.step,
            }
            for bar in picture.bars
        ],
        "clients": [
            {
                "libc": each.libc,
                "lookups": each.lookups,
                "waits": [{"seconds": wait, "count": count} for wait, count in each.waits],
                "failed": each.failed,
            }
            for each in picture.clients
        ],
        "changes": [
            {
                "at": each.at,
                "kind": each.kind.value,
                "name": each.name,
                "address": each.address,
                "what": told(each),
            }
            for each in picture.changes
        ],
        "gaps": list(picture.gaps),
    }


def _row_json(row: Row, picture: Picture) -> dict[str, Any]:
    series = row.series
    width = max(picture.seconds, 1.0) / SLOTS
    return {
        "what": series.what.value,
        "server": series.server,
        "label": row.label,
        "port": series.port,
        "transport": series.transport.value,
        "source_port": series.source_port,
        "name": series.name,
        "type": series.type,
        "asked": row.asked,
        "answered": row.answered,
        "lost": row.lost,
        "loss": round(series.rate, 4),
        "unheard": series.unheard,
        "apart": row.apart,
        "ms": {"p50": row.p50, "p90": row.p90, "p99": row.p99, "max": row.longest},
        "others": dict(row.others),
        "losses": [
            {"from": round(place * width, 1), "asked": asked, "lost": lost}
            for place, (asked, lost) in enumerate(row.slots)
            if lost
        ],
    }
