"""Copy RNTuples as they are: envelopes and positions are written anew, pages stay sealed."""

from __future__ import annotations

from hepae.root.file.compression import unpack
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.records import Key
from hepae.root.rntuple.clusters import ClusterWriter
from hepae.root.rntuple.envelopes import Attributes
from hepae.root.rntuple.ntuple import NTuple

__all__ = ["NTUPLE", "copy_ntuple", "linked"]

NTUPLE = "ROOT::RNTuple"
"""Class of the key that an RNTuple is listed by."""


def copy_ntuple(
    ntuple: NTuple, file: RootFile, home: Directory, listed: Key, *, smallest: bool = False
) -> None:
    """Copy an RNTuple with all its clusters, and the sets of attributes that belong to it.

    Parameters
    ----------
    ntuple
        From where.
    file, home
        The file that is written, and the directory of the copy in it.
    listed
        Name, title and cycle of its key.
    smallest
        Whether its header is packed anew, as well as can be, and not copied as it is on disk.

    Raises
    ------
    InputError
        If a page does not carry its checksum, or a list of pages is damaged.
    """
    copied_clusters(ntuple, file, home, listed, smallest).finish()


def copied_clusters(
    ntuple: NTuple, file: RootFile, home: Directory, listed: Key, smallest: bool = False
) -> ClusterWriter:
    """A copy that is complete but for its footer."""
    header = ntuple.header_bytes if smallest else ntuple
    writer = ClusterWriter(file, home, listed, header, ntuple.footer.extension, ntuple.anchor.version)
    writer.copy_clusters(ntuple)
    if ntuple.footer.attributes is not None:
        writer.attributes = [copied_attributes(ntuple, item, file, home) for item in ntuple.footer.attributes]
    return writer


def copied_attributes(ntuple: NTuple, item: Attributes, file: RootFile, home: Directory) -> Attributes:
    """Copy a set of attributes; where it is now."""
    inner = linked(ntuple, item)
    listed = Key(NTUPLE, item.name, "", 0, 0, 0, 0)
    place = copied_clusters(inner, file, home, listed).finish_unlisted()
    return Attributes(item.major, item.minor, place.size, place, item.name)


def linked(ntuple: NTuple, item: Attributes) -> NTuple:
    """A set of attributes, which is an RNTuple that no directory lists.

    Raises
    ------
    InputError
        If it is damaged.
    """
    where = f"{ntuple.path}, attributes {item.name}"
    packed = ntuple.read(item.place.offset, item.place.offset + item.place.size)
    anchor = packed if item.place.size == item.length else unpack(packed, item.length, where)
    return NTuple(ntuple.source, where, anchor)
