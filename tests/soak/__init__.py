"""A worker process under steady load and faults: whatever it takes must not grow with time."""
