"""IP addresses to others of the same kind, so that what two of them share stays shared.

Bit by bit, each flipped or not by a keyed hash of the bits before it: a prefix of n bits goes to a
prefix of n bits, hence networks to networks.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Kept whole: rules and people know them by sight.
_KEPT = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "224.0.0.0/4",
            "255.255.255.255/32",
            "::/127",
            *(f"{each}/32" for each in ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9")),
            "208.67.222.222/32",
            "208.67.220.220/32",
            "2001:4860:4860::8888/128",
            "2001:4860:4860::8844/128",
            "2606:4700:4700::1111/128",
            "ff00::/8",
        ),
    )
)
# Of these the leading bits stay: what kind of address it is.
_KINDS = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "192.0.2.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "::ffff:0:0/96",
            "fc00::/7",
            "fe80::/64",
            "fe80::/10",
            "2001:db8::/32",
        ),
    )
)


class Addresses:
    """One table, made by one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._map = cache(self._mapped)

    def mapped(self, text: str, mask: str) -> str:
        """The address, or network with its `/n`, in place of `text`; empty when that is none."""
        try:
            address = ip_address(text)
        except ValueError:
            return ""
        made = self._map(address)
        length = int(mask[1:]) if mask else address.max_prefixlen
        if length < address.max_prefixlen and _cut(address, length) == address:
            made = _cut(made, length)
        return f"{made}{mask}"

    def reverse(self, digits: list[str], tree: str) -> list[str]:
        """The labels in place of `digits`, which begin an address, in the order of a name."""
        try:
            if tree == "in-addr":
                full = ".".join((digits + ["0"] * 4)[:4])
                return str(self._map(ip_address(full))).split(".")[: len(digits)][::-1]
            nibbles = "".join(digits).ljust(32, "0")
            made = self._map(IPv6Address(int(nibbles, 16)))
            return list(f"{int(made):032x}"[: len(digits)])[::-1]
        except ValueError:
            return digits[::-1]

    def opaque(self, text: str) -> str:
        """Another id of the same form."""
        digest = iter(hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest())
        return "".join("-" if each == "-" else next(digest) for each in text)

    def _mapped(self, address: Address) -> Address:
        if any(address in each for each in _KEPT):
            return address
        kind = next((each for each in _KINDS if address in each), None)
        if kind is not None:
            return self._flipped(address, kind.prefixlen)
        # A public address must not become one of another kind.
        made = self._flipped(address, 0)
        while any(made in each for each in (*_KEPT, *_KINDS)):
            made = self._flipped(made, 0)
        return made

    def _flipped(self, address: Address, fixed: int) -> Address:
        size = address.max_prefixlen
        bits = f"{int(address):0{size}b}"
        made = bits[:fixed]
        for place in range(fixed, size):
            hashed = hmac.digest(self._key, f"{size}:{bits[:place]}".encode(), "sha256")
            made += str(int(bits[place]) ^ (hashed[0] & 1))
        return type(address)(int(made, 2))


def _cut(address: Address, length: int) -> Address:
    keep = address.max_prefixlen - length
    return type(address)(int(address) >> keep << keep)
