"""A condition on events: which of them pass, if C++ and ``TTree::Draw`` agree on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from hepae import limits
from hepae.arrays import Booleans
from hepae.errors import CutError, HepaeError, nearest
from hepae.files.cut.evaluation import SIGNATURES, Evaluation
from hepae.files.cut.parser import Parser
from hepae.files.cut.syntax import Node, drawn
from hepae.root.columns import Branch, Column

__all__ = ["Cut"]


class Cut:
    """A condition on events.

    Parameters
    ----------
    text
        The condition; docs/cuts.md has the language.

    Attributes
    ----------
    text : str
        As it was given.
    names : tuple of str
        The branches it needs.

    Raises
    ------
    CutError
        If it is no condition of this language, or C++ and ``TTree::Draw`` read it differently.

    Examples
    --------
    >>> from hepae.root.columns import Jagged
    >>> cut = Cut("nJet >= 2 && Jet_pt[0] > 50")
    >>> cut.names
    ('nJet', 'Jet_pt')
    >>> jets = Jagged(np.array([2, 1]), np.array([60.0, 20.0, 90.0]))
    >>> cut.keeps({"nJet": jets.counts, "Jet_pt": jets}, 2).tolist()
    [True, False]
    """

    def __init__(self, text: str) -> None:
        self.text = text
        limits.check("characters of a cut", len(text), limits.MAX_CUT_CHARACTERS, "cut", least=1)
        parsed = Parser(text, SIGNATURES)
        self._tree, self.names = parsed.tree, parsed.names
        self._drawn = drawn(parsed.tree)

    def require(self, branches: Mapping[str, Branch], where: str, restored: Iterable[str] = ()) -> None:
        """Refuse the cut if a branch is not there, or holds what cannot be computed with.

        Parameters
        ----------
        branches
            Those of the tree.
        where
            File and tree, for the message.
        restored
            Names of features that are restored, which are numbers.

        Raises
        ------
        CutError
            If a branch is neither numbers (one per event, of a fixed shape, or one per object) nor texts.
        """
        known = set(restored)
        for name in self.names:
            # others are not looked at: a tree may have branches that nobody can describe
            branch = branches[name] if name in branches and name not in known else None
            if name in known or (branch is not None and is_usable(branch)):
                continue
            if branch is not None and branch.kind == "other":
                raise CutError(
                    f"{name!r} is nothing that a cut can look into",
                    where=where,
                    expected="numbers or texts, one an event or one an object",
                    got=branch.typename,
                    hint="cut on a branch that counts or sums it",
                )
            near = [*known, *(other for other in branches if _is_known_usable(branches, other))]
            raise CutError(
                f"no branch {name!r} of numbers or texts", where=where, hint=nearest(name, near) or None
            )

    def keeps(self, columns: Mapping[str, Column], events: int, first: int = 0) -> Booleans:
        """Which events pass.

        Parameters
        ----------
        columns
            An array [n_events, *shape] or a `Jagged` for each of `names`.
        events
            Their number.
        first
            Number of the first event in its tree, for ``Entry$``.

        Returns
        -------
        bool[n_events]

        Raises
        ------
        CutError
            If types or shapes do not fit, or C++ and ``TTree::Draw`` select different events.
        """
        for name in self.names:
            if name not in columns:
                raise CutError(f"no branch {name!r}", where=self.text, hint=nearest(name, columns) or None)
        passed = self._passed(self._tree, Evaluation(columns, events, first), first)
        if self._drawn != self._tree:
            other = self._passed(self._drawn, Evaluation(columns, events, first, drawn=True), first)
            if (passed != other).any():
                event = first + int(np.argmax(passed != other))
                raise self._refused(
                    "C++ and TTree::Draw round differently",
                    event,
                    "put brackets, (a * b) / c or a * (b / c), so that there is one order of operations",
                )
        return passed

    def _passed(self, tree: Node, evaluation: Evaluation, first: int) -> Booleans:
        try:
            with np.errstate(all="ignore"):
                result = evaluation.passing(tree)
        except CutError as problem:
            raise CutError(problem.what, where=self.text, got=problem.got, hint=problem.hint) from None
        if result.unknown is None:
            passed, open_ = result.values, np.zeros_like(result.values)
        else:
            passed, open_ = result.values & ~result.unknown, result.unknown & ~evaluation.lacks()
        self._require_no_doubt(passed, open_, evaluation, first)
        return passed

    def _require_no_doubt(
        self, passed: Booleans, open_: Booleans, evaluation: Evaluation, first: int
    ) -> None:
        """Refuse the cut where an event hangs on what is not defined, or C++ keeps what ``TTree::Draw`` drops."""
        for element, missing in evaluation.lacking.items():
            if (passed & missing).any():
                raise self._refused(
                    f"an event without {element} passes: C++ keeps it, TTree::Draw drops it",
                    first + int(np.argmax(passed & missing)),
                    f"write Alt$({element}, 0) to give it a value, or n > 0 && (...) around the whole cut to drop it",
                )
        for doubt in evaluation.doubts:
            if (doubt.where & open_).any():
                raise self._refused(doubt.what, first + int(np.argmax(doubt.where & open_)), doubt.hint)

    def _refused(self, what: str, event: int, hint: str) -> CutError:
        return CutError(what, where=f"{self.text}, event {event}", hint=hint)


def is_usable(branch: Branch) -> bool:
    """Whether a branch holds what can be computed with."""
    return branch.kind in ("flat", "string") or (branch.kind == "jagged" and not branch.shape)


def _is_known_usable(branches: Mapping[str, Branch], name: str) -> bool:
    try:
        return is_usable(branches[name])
    except HepaeError:  # nobody can describe it
        return False
