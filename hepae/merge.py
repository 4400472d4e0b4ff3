"""`from hepae.merge import merge`: a public path of `hepae.merge`.

Importing this module puts it in the place of the function in `hepae`: then it is called like the function.
"""

import sys
from types import ModuleType
from typing import Any

from hepae.files.merge.file import merge

__all__ = ["merge"]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        return merge(*args, **options)


sys.modules[__name__].__class__ = _Callable
