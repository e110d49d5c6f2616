"""Bytes to typed values and back, compiled once."""
