"""A static check: content is revealed where it must be, and nothing that may hold it is shown."""
