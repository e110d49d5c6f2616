"""What happens to a message, between the bridge and the user's function."""
