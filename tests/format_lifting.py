"""Payloads of the lifting codec by docs/format/v1.md, section 11, written from the page alone."""

from __future__ import annotations

import numpy as np

from tests.format_blocks import block
from tests.format_chunk import Chunk
from tests.format_numbers import require


class Lifting(Chunk):
    """A chunk whose payloads are those of lifting."""

    def decode(self, payloads):
        """The payloads of all features."""
        for name in self.predictors:
            self.decode_feature(name, payloads[name])

    def decode_feature(self, name, payload):  # 11
        n, mode, period = len(self.ranks), payload[0], self.predictors[name].get("period")
        require(mode in (0, 1, 2, 5, 6), f"mode {mode}")
        length = period["high"] - period["low"] + 1 if period else 0
        if mode == 0:
            q = block(payload[1:], n)
            require(len(q) == n, "a block holds too few integers")
            self.put(name, q)
            return
        blocks, body = [], payload[1:]
        while mode in (2, 6) and len(blocks) < len(self.predictors[name]["widths"]["edges"]):
            size = int.from_bytes(body[:4], "little")
            blocks.append(block(body[4 : 4 + size], n))
            body = body[4 + size :]
        blocks.append(block(body, n))
        q, latents, taken = np.zeros(n, np.int64), np.zeros(n, np.int64), [0] * len(blocks)
        self.known[name], self.latents[name] = q, latents
        for rank in range(7) if name in self.parents(name) else [self.ranks]:
            here, classes = self.ranks == rank, self.classes(name) if len(blocks) > 1 else np.zeros(n)
            for k, latents_of_class in enumerate(blocks):
                at = np.flatnonzero(here & (classes == k))
                require(taken[k] + len(at) <= len(latents_of_class), "a block holds too few integers")
                latents[at] = latents_of_class[taken[k] : taken[k] + len(at)]
                taken[k] += len(at)
            found = latents + self.prediction(name)
            if period and mode > 4:
                found = period["low"] + (found - period["low"]) % length
            q[here] = found[here]
