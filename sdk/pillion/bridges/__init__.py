"""Adapters that move messages; each implements ``pillion.ports.bridge.Bridge``."""
