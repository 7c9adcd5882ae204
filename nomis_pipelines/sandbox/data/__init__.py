"""The records NOMIS holds in the sandbox: pure functions of a seed and an id, so that any number of them costs nothing.

Every name, number and text is invented; telephone numbers come from the ranges kept free for drama.
"""
