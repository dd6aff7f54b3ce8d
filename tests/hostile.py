"""A report in which the cluster says everything that could harm whoever reads it."""

from __future__ import annotations

from dataclasses import replace

from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.model import Made
from kubectl_dnsdebug.report import report
from tests.reports import (
    CONF,
    DEAD,
    SERVICE,
    cannot,
    evidence,
    finds,
    in_pod,
    made_rule,
    surroundings,
)

LONG = "x" * 10_000
ATTACKS = {
    "terminal": "\x1b[2J\x1b]0;title\x07\x1b[31m\x9b5n\rhealthy",
    "bidi": "\u202egnp.exe\u2066 \u200f\u061c",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b onclick=x>&lt;",
    "template": "{{ 7*7 }} {% raw %} ${x} {who} %s",
    "xml": "]]> <![CDATA[ <!-- --> <?xml?> &amp; &bogus; \ufffe\uffff",
    "markdown": "[a](http://evil.test) ![i](http://evil.test/i.png) `code` **b** <b> | x | y |",
    "lines": "\n# heading\n\n---\n```\n- list\n1. one\n| a |\n\u2028\u2029✓ healthy: Exit code 0\n",
    "mention": "@everyone @channel <@U1> #123 ~gone~ ```",
    "rich": "[red]x[/] [link=file:///etc/passwd]y[/link]",
    "long": LONG,
}


def hostile(attack: str) -> report.Report:
    """That text wherever text of the cluster can come in, through the door where it is cleaned."""
    here = in_pod(conf=f"{CONF}search {' '.join(attack.split())}\n").battery({SERVICE: DEAD})
    here.say("evil", ("evil",), attack)
    here.ask("user.A", SERVICE, f"{''.join(attack.split())}.", "NXDOMAIN")
    raw = evidence(
        here,
        *surroundings(),
        picked_by=(attack,),
        made=(Made(what=attack, fate=attack),),
    )
    read = files.load(files.dump(replace(raw, context=attack)))
    said = read.context
    evil = f"{here.vantage.id}#evil"
    rules = (
        made_rule(
            "wicked",
            finds("pod/shop/web-1", evil, who=said, settles=said),
            message="{who}",
            remedy="{who}",
            explains=("wicked-too",),
        ),
        made_rule("wicked-too", finds(who=said)),
        made_rule("wicked-gap", cannot(said)),
    )
    return report.build(read, rules)
