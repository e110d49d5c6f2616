"""The contracts of adapters as test classes: subclass one, say how your adapter is made, and run pytest."""
