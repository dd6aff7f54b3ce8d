"""What a node shows of its part in DNS: readers of the texts that `host.sh` prints. Pure."""

from kubectl_dnsdebug.parse.host.conntrack import Counters as Counters
from kubectl_dnsdebug.parse.host.conntrack import Flow as Flow
from kubectl_dnsdebug.parse.host.conntrack import Flows as Flows
from kubectl_dnsdebug.parse.host.conntrack import connections as connections
from kubectl_dnsdebug.parse.host.conntrack import counters as counters
from kubectl_dnsdebug.parse.host.conntrack import flows as flows
from kubectl_dnsdebug.parse.host.files import HostFile as HostFile
from kubectl_dnsdebug.parse.host.files import Kubelet as Kubelet
from kubectl_dnsdebug.parse.host.files import files as files
from kubectl_dnsdebug.parse.host.files import kubelet as kubelet
from kubectl_dnsdebug.parse.host.network import KernelLog as KernelLog
from kubectl_dnsdebug.parse.host.network import Listener as Listener
from kubectl_dnsdebug.parse.host.network import Route as Route
from kubectl_dnsdebug.parse.host.network import Settings as Settings
from kubectl_dnsdebug.parse.host.network import addresses as addresses
from kubectl_dnsdebug.parse.host.network import kernel_log as kernel_log
from kubectl_dnsdebug.parse.host.network import listeners as listeners
from kubectl_dnsdebug.parse.host.network import route as route
from kubectl_dnsdebug.parse.host.network import settings as settings
from kubectl_dnsdebug.parse.host.translation import Table as Table
from kubectl_dnsdebug.parse.host.translation import iptables as iptables
from kubectl_dnsdebug.parse.host.translation import ipvs as ipvs
from kubectl_dnsdebug.parse.host.translation import nft as nft
