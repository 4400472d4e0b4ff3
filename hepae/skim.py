"""`from hepae.skim import skim`: a public path of `hepae.skim`.

Importing this module puts it in the place of the function in `hepae`: then it is called like the function.
"""

import sys
from types import ModuleType
from typing import Any

from hepae.files.skim.file import skim

__all__ = ["skim"]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        return skim(*args, **options)


sys.modules[__name__].__class__ = _Callable
