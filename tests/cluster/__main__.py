"""The test cluster from a shell: `python -m tests.cluster up`."""

from __future__ import annotations

import argparse
import shlex
import sys

from tests.cluster import build, images, needs
from tests.cluster.cluster import Cluster
from tests.cluster.shell import ClusterError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build programs and images, once; `up` does it too")
    commands.add_parser("up", help="start a cluster (an old one of this index ends first)")
    commands.add_parser("down", help="end it; leaves nothing behind")
    commands.add_parser("status", help="what runs")
    commands.add_parser("env", help='print the settings to use it by: eval "$(... env)"')
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    cluster = Cluster()
    match chosen.command:
        case "build":
            needs.check()
            build.kube()
            images.store()
        case "up":
            cluster.up()
            environment(cluster)
        case "down":
            cluster.down()
        case "status":
            status(cluster)
        case "env":
            environment(cluster)


def environment(cluster: Cluster) -> None:
    for name, value in cluster.environment.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH={shlex.quote(str(cluster.kube))}:"$PATH"')


def status(cluster: Cluster) -> None:
    daemons = cluster.daemons
    if not daemons.names():
        print(f"cluster {cluster.layout.index} does not run")
        return
    for name in daemons.names():
        print(f"{name:26}{daemons.pid(name) or 'DOWN'}")
    print(cluster.kubectl("get", "nodes,pods", "-A", "-o", "wide", check=False), end="")


if __name__ == "__main__":
    try:
        main()
    except ClusterError as error:
        sys.exit(f"error: {error}")
