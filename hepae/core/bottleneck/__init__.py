"""The bottleneck codec, event by event: a float autoencoder, and corrections that make the bounds hold.

`spec` is what the manifest records, `codec` encodes and decodes. Its own: `scaling` into the network and out of it,
`corrections`, `escapes` for values stored bit for bit, `event_check` for a checksum of each event.
"""
