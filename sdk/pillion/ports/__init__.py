"""What adapters have to do: protocols and the values they exchange, without behaviour."""
