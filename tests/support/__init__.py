"""What the tests share: builders of messages, and worlds to run the use case in."""
