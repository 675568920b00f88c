"""Telling whoever wants to know of what was stored, beside the worker and at each one's own pace.

listening.py knows everybody; a listener is told by one feed: live_feed.py from a queue, or
follower.py from the store, on by the position that is kept.
"""
