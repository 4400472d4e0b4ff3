"""Hostile models, files and texts, each with the refusal that it must get.

    python -m attacks            # runs them all and prints what each got; exit code 1 if any was not refused

Nothing hostile is stored here: each attack builds what it needs when it runs, through the same doors as a user.
"""
