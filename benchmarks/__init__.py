"""Measurements of pillion beside what it is built on and what it competes with."""
