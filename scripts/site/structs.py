"""What mkdocstrings has to know of msgspec's structs: their fields are the parameters that make one."""

from __future__ import annotations

from typing import Any

import griffe

STRUCT = "msgspec.Struct"


class Structs(griffe.Extension):
    """Gives each subclass of `msgspec.Struct` the ``__init__`` that msgspec makes at run time."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called when a package was read."""
        for module in _modules(pkg):
            for member in list(module.members.values()):
                if (
                    isinstance(member, griffe.Class)
                    and _is_struct(member)
                    and "__init__" not in member.members
                ):
                    member.set_member("__init__", _init(member))


def _modules(module: griffe.Module) -> list[griffe.Module]:
    inner = [part for part in module.members.values() if isinstance(part, griffe.Module)]
    return [module, *(below for part in inner for below in _modules(part))]


def _is_struct(cls: griffe.Class) -> bool:
    return any(
        str(getattr(base, "canonical_path", base)) == STRUCT
        for part in (cls, *_above(cls))
        for base in part.bases
    )


def _above(cls: griffe.Class) -> list[griffe.Class]:
    """The bases that griffe has read, nearest first."""
    return list(cls.mro())


def _init(cls: griffe.Class) -> griffe.Function:
    fields = {
        name: member
        for part in (*reversed(_above(cls)), cls)
        for name, member in part.members.items()
        if isinstance(member, griffe.Attribute)
        and member.annotation is not None
        and "ClassVar" not in str(member.annotation)
    }
    parameters = griffe.Parameters(
        griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword),
        *(
            griffe.Parameter(
                name,
                annotation=member.annotation,
                kind=griffe.ParameterKind.keyword_only,
                default=member.value,
            )
            for name, member in fields.items()
        ),
    )
    return griffe.Function(
        "__init__", parameters=parameters, parent=cls, lineno=cls.lineno, endlineno=cls.endlineno
    )
