"""The worker and the use case on virtual time, under faults and an order drawn from a seed."""
