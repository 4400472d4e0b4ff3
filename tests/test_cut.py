"""Risk: a cut selects other events than ROOT does for the same text, silently, or runs code."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hepae.errors import CutError, LimitError
from hepae.files.cut import Cut
from hepae.files.cut.integers import absolute, arithmetic, bits, remainder, shift
from hepae.root.columns import Branch, Column, Jagged
from tests.cut_expressions import (
    COUNTED,
    DRAWN,
    REFUSED,
    SAME,
    chosen,
    chosen_by_root,
    conditions,
    write_tree,
)
from tests.root_process import needs_root

COLUMNS: dict[str, Column] = {
    "n": np.array([2, 0, 1], np.uint32),
    "b": np.array([True, False, True]),
    "x": Jagged(np.array([2, 0, 1]), np.array([1.0, 5.0, 3.0], np.float32)),
    "good": Jagged(np.array([2, 0, 1]), np.array([True, False, True])),
    "y": Jagged(np.array([1, 1, 1]), np.array([7, 8, 9], np.uint8)),
    "w": np.array([1.0, -1.0, np.nan]),
    "v": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    "name": np.array(["abc", "", "de"]),
    "event": np.array([2**64 - 1, 2**63, 2**53 + 1], np.uint64),
    "signed": np.array([-(2**63), -1, 2**53], np.int64),
    "AnalysisJetsAuxDyn.pt": np.array([10.0, 40.0, 40.0]),
    "a/b": np.array([1, 2, 3]),
    "two words": np.array([1, 2, 3]),
}


BRANCHES = {
    name: Branch(name, "jagged" if isinstance(column, Jagged) else "string" if name == "name" else "flat", "")
    for name, column in COLUMNS.items()
}
TEXTS = st.lists(st.sampled_from([*'nxbv()[]+-*/%&|!<>=?:,.0123456789"`@$ ', "&&", "Sum$("])).map("".join)


def require_and_keep(text: str) -> np.ndarray:
    cut = Cut(text)
    cut.require(BRANCHES, "a.root:Events")
    return cut.keeps(COLUMNS, 3)


def kept(text: str) -> list[int]:
    return np.flatnonzero(Cut(text).keeps(COLUMNS, 3)).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n >= 1", [0, 2]),
        ("n >= 1 && !(n == 2) || n == 0", [1, 2]),
        ("any(x > 2) and all(x > 0.5)", [0, 2]),
        ("count(x > 2) == 1", [0, 2]),
        ("sum(x) > 3.5 | n == 0", [0, 1]),
        ("x > 2", [0, 2]),
        ("all(x > 2)", [1, 2]),
        ("Sum(x > 2) == 0 && Any(y > 7)", [1]),
        ("x.size() == 0 || @y.size() > 5", [1]),
        ("w", [0, 1, 2]),
        ("(n + 1) ** 2 % 2 == 1", [0, 1]),
        ("n - 1 < 0", [1]),
        ("w / (n - 1) > 0", []),
        ("True", [0, 1, 2]),
        ("count(good) == 1 && b", [0, 2]),
        ("b + b + b == 3", [0, 2]),
        ('name == "abc" || name == ""', [0, 1]),
        ("v[1] > 5 || v > 5.5", [2]),
        ("AnalysisJetsAuxDyn.pt > 20", [1, 2]),
        (r"a\/b == 2 && `two words` == 2", [1]),
        ("event == 18446744073709551615", [0]),
        ("event > 9223372036854775807", [0, 1]),
        ("event > signed", [0, 1, 2]),
        ("event - 9007199254740992 == 1", [2]),
        ("event + signed == 9223372036854775807 || event + signed == 18014398509481985", [0, 1, 2]),
        ("event % 10 == 5 || signed % 10 == -8", [0]),
        ("event == 9007199254740993 && signed != event", [2]),
        ("abs(signed) > 9223372036854775807", [0]),
        ("n > 1 && 6 / (1.0 * n) == 3", [0]),
        ("b ? n == 2 : 1", [0, 1]),
    ],
)
def test_cuts_mean_what_they_say(text: str, expected: list[int]) -> None:
    if text.startswith("w / "):
        with pytest.raises(CutError, match="division by 0"):
            kept(text)
    else:
        assert kept(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max(x) > 2", [0, 2]),
        ("min(x) < 2 || min(x) >= 2", [0, 2]),
        ("!(max(x) > 2)", []),
        ("n == 0 || max(x) > 4", [0, 1]),
        ("x[0] < 2", [0]),
        ("!(x[0] > 2)", [0]),
        ("x[1] > 0 && n > 0", [0]),
        ("Alt$(x[1], 9) > 4", [0, 1, 2]),
        ("Max$(x) == 0", [1]),
        ("x[0] == x[n - 1] && n > 0", [2]),
    ],
)
def test_an_event_without_the_object_does_not_pass(text: str, expected: list[int]) -> None:
    assert kept(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "n.real", "n[0]", "(lambda: 1)()", "[n for n in x]", "f'{n}'",
        "'n'", "n >", "open(n)", "abs(n, n)", "any(n > 1, axis=0)", "n if n else x", "n is n", "n in x",
        "print(n)", "(n := 3)", "1j", "n @ n", "any(n > 1)", "(" * 300 + "n" + ")" * 300, "-" * 300 + "n",
        "", " ", "n n", "n;", "~n", "n = 2", "nope", "count(x)", "count(y)", 'name > "a"', "name == 3",
        'n == "a"', 'name + "a"', "name", '!"a"', "x[0.5]", "x[b]", "x[y] > 1", "v[0][1]", "v[2] > 1",
        "x > y", "x[0][0]", "1u < n", "Iteration$ > 1", "Length$ > 1", "Alt$(n, 0)", "Alt$(x[0], x[1])",
        "event * 2 > signed", "-event < 0", "n ** 2 ** 2", "n / 2", "n % 0", "n << 64", "-1 >> 1",
        "18446744073709551616 > n", "int(w)", "sqrt(w)", "b ? event : signed", "max(event, signed) > 3",
        "x ? 1", "a::b()",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_not_run(text: str) -> None:
    with pytest.raises((CutError, LimitError)):
        require_and_keep(text)


def test_a_cut_of_any_length_is_refused() -> None:
    with pytest.raises(LimitError, match="characters of a cut"):
        Cut("n" * 100_000)


def test_a_cut_at_the_limits_is_evaluated() -> None:
    assert kept(" || ".join(["n == 1"] * 400)) == [2]
    assert kept("+".join(["n"] * 1_000) + " == 2000") == [0]
    assert kept("*".join(["1"] * 2_000) + " > 0") == [0, 1, 2]
    part = "n"
    for _ in range(9):
        part = f"(0 ? 0 : false || true && false | true & 1 <= 1 * 1 + {part})"
    assert kept(part) == [0, 1, 2]


@given(st.text(max_size=40) | TEXTS)
def test_any_text_is_a_cut_or_refused(text: str) -> None:
    with suppress(CutError, LimitError):
        assert require_and_keep(text).shape == (3,)


def test_a_branch_that_is_not_there_is_named_with_what_is_near() -> None:
    cut = Cut("AnalysisJetsAuxDyn.pT > 3")
    with pytest.raises(CutError, match=r"no branch 'AnalysisJetsAuxDyn.pT'.* mean AnalysisJetsAuxDyn.pt\?"):
        cut.keeps(COLUMNS, 3)
    with pytest.raises(CutError, match=r"of numbers or texts .a.root:Events.* mean AnalysisJetsAuxDyn.pt\?"):
        cut.require(BRANCHES, "a.root:Events")


def test_entries_are_counted_through_the_file() -> None:
    cut = Cut("Entry$ % 2 == 0 && n >= 0")
    assert cut.names == ("n",)
    assert cut.keeps(COLUMNS, 3, 10_001).tolist() == [False, True, False]


def test_types_are_refused_before_any_event_is_read() -> None:
    nothing: dict[str, Column] = {
        "n": np.zeros(0, np.uint8),
        "x": Jagged(np.zeros(0, np.int64), np.zeros(0, np.float32)),
    }
    for text in ("n / 2 > 1", "count(x) > 1", "any(n)", "n[0] > 1", "x % 2"):
        with pytest.raises(CutError):
            Cut(text).keeps(nothing, 0)
    assert Cut("n > 1 && Max$(x) > 2 && x[0] < 3 && min(x) > 2").keeps(nothing, 0).shape == (0,)


WHOLE = st.lists(
    st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9) | st.integers(2**62, 2**63 - 1),
    min_size=1,
    max_size=6,
).map(lambda values: np.array(values, np.int64)) | st.lists(
    st.integers(0, 2**64 - 1) | st.integers(0, 70), min_size=1, max_size=6
).map(lambda values: np.array(values, np.uint64))


def exactly(operator: str, a: int, b: int) -> int | None:
    """The result in Python's integers, None where it is not defined or beyond 64 bits."""
    if operator == "%":
        return None if b == 0 else abs(a) % abs(b) * (-1 if a < 0 else 1)
    if operator in ("<<", ">>") and (a < 0 or not 0 <= b <= 63):
        return None
    compute = {
        "+": int.__add__, "-": int.__sub__, "*": int.__mul__, "&": int.__and__, "|": int.__or__,
        "<<": int.__lshift__, ">>": int.__rshift__,
    }  # fmt: skip
    value = compute[operator](a, b)
    return None if value >= 2**64 or value < -(2**63) or (operator in "&|" and value < 0) else value


@given(WHOLE, WHOLE, st.sampled_from(["+", "-", "*", "%", "&", "|", "<<", ">>"]))
def test_integers_are_exact_or_known_not_to_be(left: np.ndarray, right: np.ndarray, operator: str) -> None:
    size = min(len(left), len(right))
    left, right = left[:size], right[:size]
    if operator == "%":
        values, wrong = remainder(left, right)
    else:
        compute = {"&": bits, "|": bits, "<<": shift, ">>": shift}.get(operator, arithmetic)
        values, wrong = compute(operator, left, right)
    for a, b, value, lost in zip(
        left.tolist(),
        right.tolist(),
        values.tolist(),
        np.broadcast_to(wrong is not None and wrong, size),
        strict=True,
    ):
        expected = exactly(operator, a, b)
        if not lost:
            assert value == expected
        elif expected is not None:
            # too careful only near the border, or where signed and unsigned results stand side by side
            assert operator in "+-*"
            assert abs(expected) >= 2**62
    assert absolute(left).tolist() == [abs(a) for a in left.tolist()]


@pytest.mark.root
@pytest.mark.slow
@needs_root
def test_cuts_select_what_root_selects(tmp_path: Path) -> None:
    path = write_tree(tmp_path / "a.root", 1)
    assert len(SAME) >= 100
    questions = [(text, True, True) for text in SAME]
    questions += [(text, True, False) for text in DRAWN] + [(text, False, True) for text in COUNTED]
    answers = chosen_by_root(path, questions)
    differ, alone = [], []
    for (text, _, _), found in zip(questions, answers, strict=True):
        mine = chosen(path, text)
        differ += [(text, mine, answer) for answer in found if answer not in (None, mine)]
        alone += [text] if found == [None, None] else []
    assert differ == []
    # texts that neither of the two accepts say nothing here
    assert alone == []
    selected = [len(chosen(path, text)) for text in SAME]
    assert np.mean([0 < number < 300 for number in selected]) > 0.9


def test_what_root_is_not_of_one_mind_about_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = write_tree(tmp_path / "a.root", 1)
    for text, hint in REFUSED.items():
        with pytest.raises(CutError) as problem:
            chosen(path, text)
        assert hint in str(problem.value), text


@pytest.mark.root
@pytest.mark.slow
@needs_root
@settings(max_examples=3, phases=[Phase.generate])
@given(st.data(), st.integers(0, 2**32))
def test_random_cuts_select_what_root_selects(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    path = write_tree(tmp_path_factory.mktemp("cuts") / "a.root", seed, 120)
    texts = data.draw(st.lists(conditions(), min_size=80, max_size=80, unique=True))
    mine: dict[str, list[int]] = {}
    for text in texts:
        try:
            mine[text] = chosen(path, text)
        except CutError:
            continue
    # C++ wraps unsigned numbers around, computes float in single precision, and reads elements that are not there
    unlike = ("$", "[", "u4", "u8", "MET_pt", "<<")
    answers = chosen_by_root(path, [(text, True, not any(word in text for word in unlike)) for text in mine])
    differ = [
        (text, mine[text], answer)
        for text, found in zip(mine, answers, strict=True)
        for answer in found
        if answer not in (None, mine[text])
    ]
    assert differ == []
    assert len(mine) > len(texts) / 3
