"""The composition root: the only place that knows bridges, stores and services at once."""
