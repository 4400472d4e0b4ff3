"""What hepae's files hold, and nothing else knows: titles, embedded models, branches of each codec, restoring."""
