"""`batch_field`: a field resolved once for all its parents of a level, so that no query has an N+1.

The loader is a plain function `async (ctx, parents, **arguments) -> one value a parent`; REST uses the same loaders.
Fields of the same loader and arguments that are asked for in the same turn of the event loop are loaded together.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import strawberry

from api.domain.context import Context

__all__ = ["Context", "Info", "Loader", "batch_field", "batched"]

Info = strawberry.Info[Context, None]
Loader = Callable[..., Awaitable[Sequence[Any]]]


class _Batch:
    """Parents that wait for one loader call."""

    __slots__ = ("parents", "waiting")

    def __init__(self) -> None:
        self.parents: list[Any] = []
        self.waiting: list[asyncio.Future[Any]] = []

    def add(self, parent: Any) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        self.parents.append(parent)
        self.waiting.append(future)
        return future

    async def load(self, ctx: Context, loader: Loader, arguments: dict[str, Any]) -> None:
        try:
            values = await loader(ctx, self.parents, **arguments)
        except BaseException as error:
            for future in self.waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for future, value in zip(self.waiting, values, strict=True):
            if not future.done():
                if isinstance(value, Exception):
                    future.set_exception(value)
                else:
                    future.set_result(value)


async def batched(ctx: Context, loader: Loader, parent: Any, arguments: dict[str, Any], place: str = "") -> Any:
    """The loader's value for one parent, loaded together with the others of this place and turn."""
    key = (loader, place, repr(sorted(arguments.items())) if arguments else "")
    batch: _Batch | None = ctx.batches.get(key)
    if batch is None:
        batch = ctx.batches[key] = _Batch()
        loop = asyncio.get_running_loop()

        def dispatch() -> None:
            ready = ctx.batches.pop(key, None)
            if ready is None:
                return
            task = loop.create_task(ready.load(ctx, loader, arguments))
            ctx.loading.add(task)
            task.add_done_callback(ctx.loading.discard)

        # Two turns: siblings whose parents came out of one batch all start within the first.
        loop.call_soon(loop.call_soon, dispatch)
    return await batch.add(parent)


def _place(path: Any) -> str:
    """Where a field stands in the answer, rows left out: all rows of a list share a place."""
    names = []
    while path is not None:
        if isinstance(path.key, str):
            names.append(path.key)
        path = path.prev
    return ".".join(names)


def batch_field(loader: Loader, *, description: str, deprecation_reason: str | None = None) -> Any:
    """A field of the class's annotated type whose values come from `loader`; its arguments are the loader's."""
    parameters = list(inspect.signature(loader).parameters.values())[2:]
    annotations = {parameter.name: parameter.annotation for parameter in parameters}

    async def resolve(root: Any, info: Info, **arguments: Any) -> Any:
        return await batched(info.context, loader, root, arguments, _place(info.path))

    resolve.__module__ = loader.__module__
    resolve.__qualname__ = resolve.__name__ = loader.__name__
    resolve.__annotations__ = {"info": Info, **annotations}
    resolve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("root", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Info),
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters),
        ]
    )
    return strawberry.field(resolver=resolve, description=description, deprecation_reason=deprecation_reason)
