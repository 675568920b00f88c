"""What an operator's commands over all stored texts have in common."""
