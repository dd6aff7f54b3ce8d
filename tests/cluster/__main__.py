"""The test cluster from a shell: `python -m tests.cluster up`."""

from __future__ import annotations

import argparse
import shlex
import sys
import time

from tests.cluster import build, demo, guard, hold, images, needs
from tests.cluster.cluster import Cluster
from tests.cluster.dns_setup import DnsSetup
from tests.cluster.faults import FAULTS
from tests.cluster.shell import ClusterError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, says: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=says, description=says)

    builds = command("build", "build programs and images, once; `up` does it too")
    builds.add_argument(
        "--simulated", action="store_true", help="and what plays the nodes that are simulated"
    )
    up = command("up", "start a cluster; one of this index that runs is ended first")
    healthy = DnsSetup()
    up.add_argument("--domain", default=healthy.domain, help="cluster domain (%(default)s)")
    up.add_argument("--service-cidr", default=healthy.service_cidr, help="(%(default)s)")
    up.add_argument("--dns-address", default=healthy.address, help="ClusterIP (%(default)s)")
    command("down", "end it; leaves nothing behind")
    command("status", "show what runs and what is broken")
    command("env", 'print the settings to use it by: eval "$(... env)"')
    command("faults", "list the faults")
    command("break", "apply a fault and leave it so").add_argument("name")
    command("heal", "undo a fault").add_argument("name")
    prove = command("prove", "apply and heal faults one after the other: do they bite?")
    prove.add_argument("names", nargs="*", metavar="NAME")
    shown = command("demo", "break the cluster, let the tool find it, heal it")
    shown.add_argument("name", nargs="?", default=demo.DEFAULT)
    # For `break` and for the tests, not for people.
    commands.add_parser("hold").add_argument("name")
    commands.add_parser("guard").add_argument("owner")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    cluster = Cluster()
    match chosen.command:
        case "build":
            needs.check()
            build.kube()
            images.store()
            if chosen.simulated:
                build.kwok()
        case "up":
            cluster.up(
                DnsSetup(
                    domain=chosen.domain,
                    service_cidr=chosen.service_cidr,
                    address=chosen.dns_address,
                )
            )
            environment(cluster)
        case "down":
            cluster.down()
        case "status":
            status(cluster)
        case "env":
            environment(cluster)
        case "faults":
            for fault in FAULTS.values():
                print(f"{fault.name:33} {fault.slug or 'healthy':33} {fault.title}")
        case "break":
            fault = hold.break_(cluster, chosen.name)
            print("broken; now:", shlex.join(["kubectl", *fault.question]))
        case "heal":
            hold.heal(cluster, chosen.name)
        case "prove":
            return prove(cluster, chosen.names)
        case "demo":
            return 0 if demo.demo(cluster, hold.find(chosen.name)) else 1
        case "hold":
            hold.hold(cluster, chosen.name)
        case "guard":
            guard.stand(cluster, chosen.owner)
    return 0


def environment(cluster: Cluster) -> None:
    for name, value in cluster.environment.items():
        print(f"export {name}={shlex.quote(value)}")


def status(cluster: Cluster) -> None:
    daemons = cluster.daemons
    if not daemons.names():
        print(f"cluster {cluster.layout.index} does not run")
        return
    for name in daemons.names():
        print(f"{name:32}{daemons.pid(name) or 'DOWN'}")
    print(cluster.kubectl("get", "nodes,pods", "-A", "-o", "wide", check=False), end="")


def prove(cluster: Cluster, names: list[str]) -> int:
    failed = 0
    for name in names or FAULTS:
        began = time.monotonic()
        bit = None
        try:
            with hold.find(name).applied(cluster):
                bit = time.monotonic() - began
        except ClusterError as error:
            failed += 1
            print(f"FAILED  {name}: {error}", flush=True)
        else:
            healed = time.monotonic() - began - (bit or 0)
            print(f"ok      {name:32} bites {bit:5.1f} s  healed {healed:5.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ClusterError as error:
        sys.exit(f"error: {error}")
