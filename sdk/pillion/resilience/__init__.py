"""Rules that make delivery safe; they know nothing of services or Dapr."""
