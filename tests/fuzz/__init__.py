"""Bad input: seeded mutations of the poller's messages through decoder and worker, and a judge."""
