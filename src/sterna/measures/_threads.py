"""One thread: the models here are so small that several threads mostly wait for one another."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from threadpoolctl import ThreadpoolController

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks the loaded libraries up, which takes a while: once


def single_threaded(function: F) -> F:
    """Let `function` run its linear algebra and its trees on one thread; so the result does not depend on their number."""

    @functools.wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with _controller().limit(limits=1):
            return function(*args, **kwargs)

    return cast(F, limited)
