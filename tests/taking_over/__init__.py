"""A take-over under load: what it loses, what it stores twice, and how long nothing is stored."""
