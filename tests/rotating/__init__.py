"""How long a rotation takes: many stored texts on the real servers, rewrapped and timed."""
