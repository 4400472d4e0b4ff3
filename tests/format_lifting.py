"""Payloads of the lifting codec by docs/format/v1.md, section 11, written from the page alone."""

from __future__ import annotations

import numpy as np

from tests.format_blocks import block, varint
from tests.format_chunk import Chunk
from tests.format_numbers import require


class Lifting(Chunk):
    """A chunk whose payloads are those of lifting."""

    def decode(self, payloads):
        """The payloads of all features."""
        payloads = self.unbundled(payloads)
        for name in self.predictors:
            self.decode_feature(name, payloads[name])

    def decode_feature(self, name, payload):  # 11
        n, kind, period = len(self.ranks), payload[0] >> 4, self.predictors[name].get("period")
        require(kind in (0, 1, 2, 3, 5, 6, 7), f"kind {kind}")
        length = period["high"] - period["low"] + 1 if period else 0
        if kind == 0:
            self.put(name, block(payload, n))
            return
        ranked = name in self.parents(name)
        if kind in (2, 6):
            blocks = self.blocks(name, payload, ranked)
        elif kind in (3, 7):
            blocks = self.groups(name, payload, ranked)
        else:
            blocks = [block(payload, n)]
        q, latents, taken = np.zeros(n, np.int64), np.zeros(n, np.int64), [0] * len(blocks)
        self.known[name], self.latents[name] = q, latents
        for rank in range(self.last + 1) if ranked else [self.ranks]:
            here, classes = self.ranks == rank, self.classes(name) if len(blocks) > 1 else np.zeros(n)
            for k, latents_of_class in enumerate(blocks):
                at = np.flatnonzero(here & (classes == k))
                require(taken[k] + len(at) <= len(latents_of_class), "a block holds too few integers")
                latents[at] = latents_of_class[taken[k] : taken[k] + len(at)]
                taken[k] += len(at)
            found = latents + self.prediction(name)
            if period and kind > 4:
                found = period["low"] + (found - period["low"]) % length
            q[here] = found[here]

    def blocks(self, name, payload, ranked):
        """The latents of each class."""
        at, found, last = 1, [], len(self.predictors[name]["widths"]["edges"])
        sizes = np.bincount([] if ranked else self.classes(name), minlength=last + 1).tolist()
        for k in range(last + 1):
            n, at = varint(payload, at) if ranked else (sizes[k], at)
            size, at = varint(payload, at) if k < last else (len(payload) - at, at)
            found.append(block(payload[at : at + size], n))
            at += size
        return found

    def groups(self, name, payload, ranked):
        """The latents of each class, from the blocks of groups."""
        classes, at = len(self.predictors[name]["widths"]["edges"]) + 1, 1
        groups, at = self.sized(payload, at, classes)
        require(groups.min() >= 0 and groups.max() < classes, "groups")
        sizes = np.bincount([] if ranked else self.classes(name), minlength=classes)
        if ranked:
            sizes, at = self.sized(payload, at, classes)
            require(sizes.min() >= 0 and sum(sizes.tolist()) == len(self.ranks), "counts of classes")
        found = [None] * classes
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            n = int(sizes[members].sum())
            together, at = (
                self.sized(payload, at, n) if group < groups.max() else (block(payload[at:], n), len(payload))
            )
            for member, latents in zip(
                members, np.split(together, np.cumsum(sizes[members])[:-1]), strict=True
            ):
                found[member] = latents
        return found

    def sized(self, payload, at, n):
        """The block of n integers after its length, and where the next one begins."""
        size, at = varint(payload, at)
        require(at + size <= len(payload), "a block is cut short")
        return block(payload[at : at + size], n), at + size
