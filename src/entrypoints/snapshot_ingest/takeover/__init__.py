"""Taking the stream over from the backend's former subscriber, and giving it back."""
