"""Thousands of nodes that do not exist, on the test cluster's real API server.

kwok plays their kubelets: it says of each of the tool's pods that it started, and ended with a
summary of its probes. What the pods say was said by pods of real nodes, a healthy and a broken one;
a small server gives their logs, too. So the tool sees nothing but an API server, as anywhere.
"""
