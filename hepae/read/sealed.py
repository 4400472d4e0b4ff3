"""uproot's RNTuple whose pages are looked at as they are read: uproot itself looks at no checksum of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import uproot
from uproot.models.RNTuple import Model_ROOT_3a3a_RNTuple

from hepae.root.rntuple.frames import CHECKSUM_BYTES
from hepae.root.rntuple.pages import require_sealed

__all__ = ["SealedNTuple", "sealed"]


@dataclass(frozen=True)
class SealedPlace:
    """Where a page is, as far as uproot asks (its ``locator``), behind which there is a checksum."""

    offset: int
    num_bytes: int


class SealedNTuple(Model_ROOT_3a3a_RNTuple):  # type: ignore[misc]
    """An RNTuple that refuses pages which do not carry the checksum behind them (as most writers put there)."""

    _page_link_list: Any

    @property
    def page_link_list(self) -> Any:
        """The pages of each cluster, column by column; places of pages with a checksum say so."""
        if self._page_link_list is None:
            clusters = [cluster for listed in self.page_list_envelopes for cluster in listed.pagelinklist]
            for column in (column for cluster in clusters for column in cluster):
                for page in column.pages:
                    if page.has_checksum:
                        page.locator = SealedPlace(page.locator.offset, page.locator.num_bytes)
            self._page_link_list = clusters  # once it is complete: another thread may look
        return self._page_link_list

    def read_locator(self, loc: Any, uncomp_size: int) -> tuple[Any, Any]:
        """The bytes of a page or an envelope, and where they begin.

        Raises
        ------
        InputError
            If a page does not carry its checksum.
        """
        if not isinstance(loc, SealedPlace):
            found: tuple[Any, Any] = super().read_locator(loc, uncomp_size)
            return found
        stop = loc.offset + loc.num_bytes
        data = self.file.source.chunk(loc.offset, stop + CHECKSUM_BYTES).raw_data
        require_sealed(bytes(data), f"{self.file.file_path}, bytes {loc.offset} to {stop}")
        page = uproot.source.chunk.Chunk.wrap(self.file.source, data[: loc.num_bytes])
        cursor = uproot.source.cursor.Cursor(0)
        if loc.num_bytes < uncomp_size:
            page = uproot.compression.decompress(page, cursor, {}, loc.num_bytes, uncomp_size)
            cursor.move_to(0)
        return page, cursor


SealedNTuple.__name__ = Model_ROOT_3a3a_RNTuple.__name__  # uproot derives the class of the object from it


def sealed(ntuple: Any) -> Any:
    """The same RNTuple, whose pages are looked at from now on."""
    if type(ntuple) is Model_ROOT_3a3a_RNTuple:
        ntuple.__class__, ntuple._page_link_list = SealedNTuple, None
    return ntuple
