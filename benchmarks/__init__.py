"""Measurements that are run by hand and quoted; each prints JSON."""
