"""Logs and traces under the field's names."""
