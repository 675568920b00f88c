"""Real servers and worker processes under a seeded plan of faults, and what became of it all."""
