"""Drives a secret through the faults of each adapter: every driver error that can be made.

What is under test is real; a driver is made to fail where no server can be brought to it.
"""
