"""The Corefile: what is read, which block takes a name, and what is kept of the text."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubectl_dnsdebug.parse import corefile
from kubectl_dnsdebug.parse.corefile import Corefile, Plugin, kube_dns, parse

KUBEADM = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""
K3S = """\
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    cache 30
    import /etc/coredns/custom/*.override
    forward . /etc/resolv.conf
}
import /etc/coredns/custom/*.server
"""
OPENSHIFT = """\
corp.example:5353 {
    forward . 192.0.2.53 tls://[2001:db8::53]:853 {
        policy sequential
    }
    errors
}
.:5353 {
    bufsize 1232
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf
    cache 900 {
        denial 9984 30
    }
}
hostname.bind:5353 {
    chaos
}
"""


def names(plugins: Iterable[Plugin]) -> str:
    return " ".join(plugin.name for plugin in plugins)


def test_kubeadm() -> None:
    conf = parse(KUBEADM)
    assert conf.problems == ()
    (block,) = conf.blocks
    assert (block.zones, block.port, block.scheme, block.line) == ((".",), 53, "dns", 1)
    assert names(block.plugins) == (
        "errors health ready kubernetes prometheus forward cache loop reload loadbalance"
    )
    assert conf.kubernetes_zones() == ("cluster.local.", "in-addr.arpa.", "ip6.arpa.")
    (forward,) = conf.forwards()
    assert (forward.zone, forward.to) == (".", ("/etc/resolv.conf",))
    assert forward.plugin.property("max_concurrent") == ("1000",)
    assert forward.plugin.property("force_tcp") is None
    assert forward.plugin.line == 13
    kubernetes = conf.plugin("svc.cluster.local", "kubernetes")
    assert kubernetes is not None
    assert kubernetes.property("fallthrough") == ("in-addr.arpa", "ip6.arpa")


def test_k3s_imports_are_told_and_can_be_given() -> None:
    conf = parse(K3S)
    assert conf.imports == ("/etc/coredns/custom/*.server",)
    assert conf.blocks[0].imports == ("/etc/coredns/custom/*.override",)
    assert conf.plugin(".", "hosts") is not None
    files = {
        "log.override": "log\nrewrite name a.test b.test",
        "corp.server": "corp.example:53 {\n  forward . 192.0.2.9\n}\n",
        "other": "ignored",
    }
    whole = parse(K3S, files)
    assert whole.imports == ()
    assert whole.blocks[0].imports == ()
    assert names(whole.blocks[0].plugins) == "errors kubernetes hosts cache log rewrite forward"
    assert [forward.zone for forward in whole.forwards()] == [".", "corp.example."]


def test_openshift_has_its_own_port_and_zone_blocks() -> None:
    conf = parse(OPENSHIFT)
    assert [(forward.zone, forward.to) for forward in conf.forwards()] == [
        ("corp.example.", ("192.0.2.53", "tls://[2001:db8::53]:853")),
        (".", ("/etc/resolv.conf",)),
    ]
    special = conf.block_for("db.Corp.Example.")
    assert special is not None
    assert special.line == 1
    general = conf.block_for("notcorp.example", 5353)
    assert general is not None
    assert general.line == 7
    assert conf.block_for("db.corp.example", 53) is None
    cache = conf.plugin("x.test", "cache")
    assert cache is not None
    assert corefile.denial_ttl(cache) == 30


@pytest.mark.parametrize(
    ("header", "addresses"),
    [
        (".", [("dns", 53, ".")]),
        (":53", [("dns", 53, ".")]),
        (".:5353", [("dns", 5353, ".")]),
        ("Example.ORG", [("dns", 53, "example.org.")]),
        ("a.test b.test:54", [("dns", 53, "a.test."), ("dns", 54, "b.test.")]),
        ("a.test, b.test", [("dns", 53, "a.test. b.test.")]),
        ("a.test,\nb.test", [("dns", 53, "a.test. b.test.")]),
        ("tls://example.org", [("tls", 853, "example.org.")]),
        ("https://.:8443", [("https", 8443, ".")]),
        ("10.96.0.0/16", [("dns", 53, "96.10.in-addr.arpa.")]),
        ("10.96.0.0/15:53", [("dns", 53, "96.10.in-addr.arpa. 97.10.in-addr.arpa.")]),
        ("2001:db8::/32", [("dns", 53, "8.b.d.0.1.0.0.2.ip6.arpa.")]),
        ("{$ZONE}:53", [("dns", 53, "{$zone}.")]),
        ("53", [("dns", 53, "53.")]),
    ],
)
def test_addresses_of_a_block(header: str, addresses: list[tuple[str, int, str]]) -> None:
    conf = parse(header + " {\n  whoami\n}\n")
    assert conf.problems == ()
    assert [(b.scheme, b.port, " ".join(b.zones)) for b in conf.blocks] == addresses
    assert all([plugin.name for plugin in b.plugins] == ["whoami"] for b in conf.blocks)


@pytest.mark.parametrize(
    ("text", "plugins"),
    [
        (". {\n errors # not { this\n # nor this\n}\n", [("errors", (), ())]),
        (
            '. {\n template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n }\n}\n',
            [("template", ("IN", "A"), (("answer", "{{ .Name }} 60 IN A 192.0.2.1"),))],
        ),
        ('. {\n log "a\nb" c\n}\n', [("log", ("a\nb", "c"), ())]),
        ('. {\n log "say \\"hi\\""\n}\n', [("log", ('say "hi"',), ())]),
        (".\n{\n errors\n}\n", [("errors", (), ())]),
        (". { errors }\n", [("errors", (), ())]),
        (". {\n health { lameduck 5s }\n}\n", [("health", (), (("lameduck", "5s"),))]),
        (".\r\n errors\r\n log\r\n", [("errors", (), ()), ("log", (), ())]),
        ("(a) {\n errors\n}\n. {\n import a\n log\n}\n", [("errors", (), ()), ("log", (), ())]),
        ("\ufeff. {\n errors\n}\n", [("errors", (), ())]),
    ],
)  # fmt: skip
def test_text_forms(text: str, plugins: list[tuple[str, tuple[str, ...], object]]) -> None:
    conf = parse(text)
    assert conf.problems == ()
    assert [(each.name, each.args, each.block) for each in conf.blocks[0].plugins] == plugins


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (". {\n errors\n", "line 1: a brace is not closed"),
        (". {\n health {\n}\n", "line 1: a brace is not closed"),
        (". {\n}\n}\na.test {\n}\n", "line 3: a brace closes nothing"),
        (".:53{\n errors\n}\n", "line 1: no blank before the brace"),
        (". {\n forward . 192.0.2.1{\n }\n}\n", "line 2: no blank before the brace"),
        (". {\n}\n. {\n}\n", "line 3: dns://.:53 is already defined"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert problem in parse(text).problems


def test_bound_blocks_may_share_a_zone() -> None:
    text = ".:53 {\n bind 169.254.20.10\n}\n.:53 {\n bind 10.96.0.10\n}\n"
    assert parse(text).problems == ()


@pytest.mark.parametrize("only", ["bind 127.0.0.1", "view office {\n  expr true\n }"])
def test_a_block_for_some_clients_is_not_everybodys(only: str) -> None:
    text = f".:53 {{\n {only}\n whoami\n}}\n.:53 {{\n forward . 192.0.2.1\n}}\n"
    block = parse(text).block_for("a.test")
    assert block is not None
    assert block.named("forward")


def test_a_snippet_that_imports_itself_ends() -> None:
    text = "(loop) {\n errors\n import loop\n}\n. {\n import loop\n}\n"
    assert parse(text).blocks[0].plugins


@pytest.mark.parametrize(
    ("block", "origin", "zones"),
    [
        (".", ".", ["."]),
        (".", "corp.example", ["corp.example."]),
        ("corp.example", ".", ["corp.example."]),
        ("corp.example", "db.corp.example", ["db.corp.example."]),
        ("corp.example", "other.example", []),
        ("a.test b.test", ".", ["a.test.", "b.test."]),
        ("a.test b.test", "x.b.test", ["x.b.test."]),
    ],
)
def test_a_forward_has_effect_where_its_block_does(
    block: str, origin: str, zones: list[str]
) -> None:
    conf = parse(f"{block} {{\n forward {origin} 192.0.2.1\n}}\n")
    assert [forward.zone for forward in conf.forwards()] == zones


@pytest.mark.parametrize(
    ("name", "zone", "under"),
    [
        ("a.test", "test.", True),
        ("A.Test.", "a.test", True),
        ("xa.test", "a.test", False),
        ("a.test", ".", True),
        (".", "a.test", False),
        (".", ".", True),
    ],
)
def test_is_under(name: str, zone: str, under: bool) -> None:
    assert corefile.is_under(name, zone) is under


def test_the_chain_is_fixed_whatever_the_file_says() -> None:
    text = ". {\n forward . 192.0.2.1\n strange\n kubernetes cluster.local\n template ANY AAAA\n}\n"
    (block,) = parse(text).blocks
    assert names(block.chain()) == "template kubernetes forward strange"
    fixed = ["rewrite", "acl", "cache", "template", "hosts", "kubernetes", "loop", "forward"]
    assert sorted(set(fixed), key=corefile.order) == fixed


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("template ANY AAAA {\n rcode NXDOMAIN\n}", ("ANY", "AAAA", (".",), "NXDOMAIN", False)),
        ("template in a lan {\n match .\n fallthrough\n}", ("IN", "A", ("lan.",), "NOERROR", True)),
        ("template IN", ("IN", "ANY", (".",), "NOERROR", False)),
    ],
)  # fmt: skip
def test_template(text: str, expect: tuple[object, ...]) -> None:
    (block,) = parse(". {\n" + text + "\n}\n").blocks
    made = corefile.template(block.plugins[0], block)
    assert (made.rr_class, made.rr_type, made.zones, made.rcode, made.fallthrough) == expect


@pytest.mark.parametrize(
    ("args", "block", "seconds"),
    [
        ((), (), 1800),
        (("30",), (), 30),
        (("cluster.local",), (), 1800),
        (("30",), (("denial", "9984"),), 30),
        (("30",), (("denial", "9984", "5"),), 5),
        (("{$TTL}",), (), None),
    ],
)
def test_denial_ttl(
    args: tuple[str, ...], block: tuple[tuple[str, ...], ...], seconds: int | None
) -> None:
    plugin = Plugin(name="cache", args=args, block=block)
    assert corefile.denial_ttl(plugin) == seconds


SECRETS = """\
.:53 {
    etcd skydns.local { # hunter0
        credentials root hunter1
        endpoint http://root:hunter2@192.0.2.1:2379
    }
    route53 example.org.:ZONE {
        aws_access_key hunter3 hunter4
    }
    azure group:hunter5 {
        secret hunter6
    }
    pdsql mysql user:hunter7@/db
    # forward . hunter8
    forward . https://user:hunter9@192.0.2.1
    tsig {
        secret key. hunter10
        nested {
            hunter11
        }
    }
    errors
}
route53 x:hunter12 {
    hunter13
}
hunter14 hunter15
"""


def test_secrets_are_not_kept_and_lines_stay() -> None:
    kept = corefile.allow_listed(SECRETS)
    assert "hunter" not in kept
    lines = kept.splitlines()
    assert lines[0] == ".:53 {"
    assert lines[1] == "    etcd {"
    assert lines[13] == "    forward . https://192.0.2.1"
    assert lines[20] == "    errors"
    assert parse(kept).problems == ()
    assert names(parse(kept).blocks[0].plugins) == "etcd route53 azure pdsql forward tsig errors"


@pytest.mark.parametrize("text", [KUBEADM, K3S, OPENSHIFT])
def test_an_ordinary_corefile_is_kept_whole(text: str) -> None:
    assert parse(corefile.allow_listed(text)) == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        ".:53{\n    errors\n}\n",
        ".:53 {\n    forward . 192.0.2.1{\n        force_tcp\n    }\n}\n",
        ".:53 {\n    errors\n",
        ".:53 {\n}\n}\na.test {\n}\n",
    ],
)
def test_mistakes_are_kept(text: str) -> None:
    assert set(parse(text).problems) <= set(parse(corefile.allow_listed(text)).problems)


WORDS = st.sampled_from(
    [*'.{}#"\\,\n', "forward", "etcd", "import", "(a)", "a", "10.0.0.0/8", "{$X}"]
)
TEXTS = st.lists(WORDS | st.text(max_size=3), max_size=40).map(" ".join)


@given(TEXTS)
def test_no_text_makes_it_fail(text: str) -> None:
    conf = parse(text)
    assert isinstance(conf, Corefile)
    conf.kubernetes_zones()
    conf.forwards()
    conf.block_for("a.test")


@given(TEXTS)
@example("\x1b{ .")
@example("\x1b etcd . {")
@example("forward \ufeff")
def test_keeping_twice_changes_nothing(text: str) -> None:
    once = corefile.allow_listed(text)
    assert corefile.allow_listed(once) == once


@given(st.lists(st.sampled_from(["a.test", "b.a.test", "c.b.a.test", "."]), unique=True))
def test_the_longest_zone_wins(zones: list[str]) -> None:
    conf = parse("".join(f"{zone} {{\n whoami\n}}\n" for zone in zones))
    block = conf.block_for("x.b.a.test")
    fitting = [zone for zone in zones if corefile.is_under("x.b.a.test", zone)]
    if block is None:
        assert not fitting
    else:
        assert block.zones[0].rstrip(".") == max(fitting, key=len).rstrip(".")


# -- kube-dns ----------------------------------------------------------------------------------

STUBS = '{"corp.example": ["192.0.2.53", "192.0.2.54:5353"], "bad {zone}": ["192.0.2.1"]}'


def test_kube_dns_keeps_names_and_addresses_alone() -> None:
    kept = kube_dns.allow_listed('{"corp.example": ["192.0.2.53", "a b {", 7], "x": "y"}')
    assert kept == '{"corp.example": ["192.0.2.53"], "x": []}'
    assert kube_dns.allow_listed('["192.0.2.53", {"password": "x"}]') == '["192.0.2.53"]'
    assert kube_dns.allow_listed("password") == ""
    assert kube_dns.allow_listed(kept) == kept


def test_kube_dns_sends_names_as_its_corefile_would() -> None:
    found = kube_dns.as_corefile({"stubDomains": STUBS, "upstreamNameservers": '["192.0.2.1"]'})
    assert found is not None
    assert [(each.zone, each.to) for each in found.forwards()] == [
        (".", ("192.0.2.1",)),
        ("corp.example.", ("192.0.2.53", "192.0.2.54:5353")),
    ]
    plain = kube_dns.as_corefile({"stubDomains": "{}"})
    assert plain is not None
    assert [each.to for each in plain.forwards()] == [("/etc/resolv.conf",)]
    assert kube_dns.as_corefile({"Corefile": ". {}"}) is None


def test_what_is_imported_says_where_it_stands() -> None:
    files = {"corp.server": "\ncorp.example:53 {\n  forward . 192.0.2.53\n}\n"}
    found = corefile.parse(".:53 {\n  errors\n}\nimport custom/*.server\n", files)
    (forward,) = found.forwards()
    assert (forward.plugin.file, forward.plugin.line) == ("corp.server", 3)
