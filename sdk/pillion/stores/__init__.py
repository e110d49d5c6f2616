"""Stores: state, secrets and configuration in memory, in files, in the environment, or behind a Dapr sidecar."""
