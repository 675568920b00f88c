"""The contract of each port as pytest suites, for any adapter to subclass.

A suite asks for one fixture, a world or harness, whose type says what must be possible around
the adapter: the raw look that tells whether what it claims is true.
"""
