"""A tree whose collections are compressed with a model, under the original names of its branches.

Its payload branches are called ``Jet_pt__hepae``, and further branches hold what all features share. The view is
uproot's own tree with those names changed and those branches left out, so that expressions, cuts, aliases, filters and
every library are uproot's.
"""

from __future__ import annotations

import copy
from typing import Any

from hepae.read.interpretation import AsHepae, stands_for
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["renamed"]


def renamed(tree: Any) -> Any:
    """An uproot TTree like another, with original names; the tree itself where no branch is a payload.

    Parameters
    ----------
    tree
        uproot's TTree. It is not changed.
    """
    branches = tree.member("fBranches")
    if not any(str(branch.name).endswith(SUFFIX) for branch in branches):
        return tree
    view = copy.copy(tree)
    shown = [_shown(branch, view) for branch in branches if _is_shown(branch)]
    view._members = dict(tree._members) | {"fBranches": copy.copy(branches)}
    view.member("fBranches")._data = shown
    view._lookup = {}
    for branch in shown:
        view._lookup.setdefault(str(branch.name), branch)
    return view


def _is_shown(branch: Any) -> bool:
    return not str(branch.name).endswith(SUFFIX) or parse_title(str(branch.title)) is not None


def _shown(branch: Any, view: Any) -> Any:
    """The branch under its original name; arrays of it are made by the branch that is in the file."""
    shown = copy.copy(branch)
    shown._parent, shown._cache_key = view, None
    if shown._embedded_baskets is not None:  # uproot asks a basket for the branch that it is of
        shown._embedded_baskets = [_of(basket, shown) for basket in shown._embedded_baskets]
    if str(branch.name).endswith(SUFFIX):
        shown._members = dict(branch._members) | {"fName": str(branch.name).removesuffix(SUFFIX)}
        shown._interpretation = AsHepae(branch)
        stands_for(shown, branch)
    return shown


def _of(basket: Any, branch: Any) -> Any:
    moved = copy.copy(basket)
    moved._parent = branch
    return moved
