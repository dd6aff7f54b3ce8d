"""Texts of the field, read: dig and nslookup, resolv.conf, Corefile, NetworkPolicy. Pure."""
