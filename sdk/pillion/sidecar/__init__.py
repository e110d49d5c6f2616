"""The only code that speaks to the Dapr sidecar."""
