"""What people do with the quarantine: look, reveal, replay and drop."""
