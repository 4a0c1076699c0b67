"""What was shown, done and sold out: the API's own logs, written and read back."""
