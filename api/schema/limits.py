"""Documents are parsed, validated and measured once, then remembered; each limit has its own code and setting."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
    specified_rules,
)
from strawberry.schema.schema import validate_document

from api.domain.errors import Code, DomainError
from api.domain.paging import DEFAULT_PAGE
from api.settings import Settings

#: Lists that introspection can nest into each other without end.
_INTROSPECTION_LISTS = {"fields", "interfaces", "possibleTypes", "inputFields", "types"}
#: Fields that answer with a page although no size was given.
_PAGED = {
    "boards", "tasks", "approvals", "agents", "memory", "members", "comments", "activity", "tokens", "eventHistory",
    "inbox",
}  # fmt: skip
_REMEMBERED = 512
_LONGEST_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that may be executed."""

    document: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises `BAD_REQUEST` when the name does not choose exactly one."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is not None and name in self.operations:
            return self.operations[name]
        raise DomainError(
            f"Unknown operation {name!r}." if name else "Say which operation with operationName.",
            code=Code.GRAPHQL_VALIDATION_FAILED,
        )


class Refused(Exception):
    """The document cannot be executed; `errors` says why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(str(errors[0]))
        self.errors = errors


class Documents:
    """Prepares documents for one schema under one set of limits."""

    def __init__(self, schema: Any, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._known: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, query: str) -> Prepared:
        """The checked document. Raises `Refused`."""
        if (known := self._known.get(query)) is not None:
            self._known.move_to_end(query)
            return known
        try:
            prepared = self._check(query)
        except RecursionError:
            raise Refused([_over(Code.DEPTH_LIMIT, "The query nests too deeply.")]) from None
        if len(query) <= _LONGEST_REMEMBERED:
            self._known[query] = prepared
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return prepared

    def _check(self, query: str) -> Prepared:
        limits = self._settings
        try:
            document = parse(query, max_tokens=limits.max_query_tokens)
        except GraphQLSyntaxError as error:
            if "more than" in error.message and "tokens" in error.message:
                raise Refused([_over(Code.TOKEN_LIMIT, "The query is too long.", limits.max_query_tokens)]) from None
            if "nested too deeply" in error.message:
                raise Refused(
                    [_over(Code.DEPTH_LIMIT, "The query nests too deeply.", limits.max_query_depth)]
                ) from None
            error.extensions = {"code": Code.GRAPHQL_PARSE_FAILED.name, "status": 400}
            raise Refused([error]) from None
        shape = _Shape(document)
        if shape.aliases > limits.max_query_aliases:
            raise Refused([_over(Code.ALIAS_LIMIT, "Too many aliases.", limits.max_query_aliases, shape.aliases)])
        if shape.width > limits.max_query_width:
            raise Refused([_over(Code.WIDTH_LIMIT, "Too many fields.", limits.max_query_width, shape.width)])
        if shape.has_cycle is False:
            depth = shape.depth()
            if depth > limits.max_query_depth:
                raise Refused([_over(Code.DEPTH_LIMIT, "The query nests too deeply.", limits.max_query_depth, depth)])
            lists = shape.introspection_lists()
            allowed = limits.max_introspection_lists
            if lists > allowed:
                raise Refused([_over(Code.INTROSPECTION_LIMIT, "Introspection nests too deeply.", allowed, lists)])
        errors = validate_document(self._schema._schema, document, tuple(specified_rules))
        if errors:
            for found in errors:
                found.extensions = {"code": Code.GRAPHQL_VALIDATION_FAILED.name, "status": 400}
            raise Refused(errors)
        operations = {
            definition.name.value if definition.name else None: definition
            for definition in document.definitions
            if isinstance(definition, OperationDefinitionNode)
        }
        return Prepared(document, operations)

    def check_nodes(self, prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
        """Raise `NODE_LIMIT` when the pages asked for could multiply to more rows than allowed."""
        count = _Shape(prepared.document).nodes(operation, variables)
        allowed = self._settings.max_query_nodes
        if count > allowed:
            raise DomainError(
                f"The query could answer with {count} rows; allowed are {allowed}. Ask for smaller pages.",
                code=Code.NODE_LIMIT, asked=count, allowed=allowed,
            )  # fmt: skip


def _over(code: Code, message: str, allowed: int | None = None, asked: int | None = None) -> GraphQLError:
    details = {key: value for key, value in {"allowed": allowed, "asked": asked}.items() if value is not None}
    text = message + (f" Allowed are {allowed}." if allowed is not None else "")
    return GraphQLError(text, extensions={"code": code.name, "status": code.status, "details": details})


class _Shape:
    """Measures a document; fragments are followed, so nothing hides in them."""

    def __init__(self, document: DocumentNode) -> None:
        self.operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._depths: dict[str, int] = {}
        self._lists: dict[tuple[str, bool], int] = {}

    @property
    def aliases(self) -> int:
        """How many fields have an alias, in the whole document."""
        count = 0
        stack: list[SelectionSetNode] = [d.selection_set for d in (*self.operations, *self.fragments.values())]
        while stack:
            for selection in _selections(stack.pop()):
                count += isinstance(selection, FieldNode) and selection.alias is not None
                if not isinstance(selection, FragmentSpreadNode) and selection.selection_set:
                    stack.append(selection.selection_set)
        return count

    @property
    def width(self) -> int:
        """How many selections the widest selection set has."""
        widest = 0
        stack: list[SelectionSetNode] = [d.selection_set for d in (*self.operations, *self.fragments.values())]
        while stack:
            selections = _selections(stack.pop())
            widest = max(widest, len(selections))
            stack += [one.selection_set for one in selections if getattr(one, "selection_set", None)]
        return widest

    @property
    def has_cycle(self) -> bool:
        """Whether fragments spread each other in a circle (validation then refuses the document)."""
        seen: dict[str, bool] = {}

        def visit(name: str) -> bool:
            if name in seen:
                return seen[name]
            seen[name] = True
            fragment = self.fragments.get(name)
            found = fragment is not None and any(visit(spread) for spread in _spreads(fragment.selection_set))
            seen[name] = found
            return found

        return any(visit(name) for name in self.fragments)

    def depth(self) -> int:
        """The deepest nesting of fields outside introspection."""
        return max((self._depth(operation.selection_set) for operation in self.operations), default=0)

    def _depth(self, selections: SelectionSetNode | None) -> int:
        deepest = 0
        for selection in _selections(selections):
            if isinstance(selection, FieldNode):
                if not selection.name.value.startswith("__"):
                    deepest = max(deepest, 1 + self._depth(selection.selection_set))
            elif isinstance(selection, InlineFragmentNode):
                deepest = max(deepest, self._depth(selection.selection_set))
            elif (name := selection.name.value) in self.fragments:
                if name not in self._depths:
                    self._depths[name] = self._depth(self.fragments[name].selection_set)
                deepest = max(deepest, self._depths[name])
        return deepest

    def introspection_lists(self) -> int:
        """How many lists of introspection are nested into each other at most."""
        return max((self._nested(operation.selection_set, False) for operation in self.operations), default=0)

    def _nested(self, selections: SelectionSetNode | None, inside: bool) -> int:
        deepest = 0
        for selection in _selections(selections):
            if isinstance(selection, FieldNode):
                name = selection.name.value
                within = inside or name in ("__schema", "__type")
                own = 1 if within and name in _INTROSPECTION_LISTS else 0
                deepest = max(deepest, own + self._nested(selection.selection_set, within))
            elif isinstance(selection, InlineFragmentNode):
                deepest = max(deepest, self._nested(selection.selection_set, inside))
            elif (name := selection.name.value) in self.fragments:
                key = (name, inside)
                if key not in self._lists:
                    self._lists[key] = self._nested(self.fragments[name].selection_set, inside)
                deepest = max(deepest, self._lists[key])
        return deepest

    def nodes(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """How many rows the operation's pages could hold together."""

        def count(selections: SelectionSetNode | None) -> int:
            total = 0
            for selection in _selections(selections):
                if isinstance(selection, FieldNode):
                    inner = count(selection.selection_set)
                    size = _page_size(selection, variables)
                    total += inner if size is None else size * (1 + inner)
                elif isinstance(selection, InlineFragmentNode):
                    total += count(selection.selection_set)
                elif (name := selection.name.value) in self.fragments:
                    if name not in known:
                        known[name] = count(self.fragments[name].selection_set)
                    total += known[name]
            return total

        known: dict[str, int] = {}
        defaults = {
            one.variable.name.value: int(one.default_value.value)
            for one in operation.variable_definitions or ()
            if isinstance(one.default_value, IntValueNode)
        }
        variables = {**defaults, **variables}
        return count(operation.selection_set)


def _selections(selections: SelectionSetNode | None) -> Sequence[Any]:
    """Fields, inline fragments and spreads; their common class says nothing of what they have."""
    return selections.selections if selections else ()


def _spreads(selections: SelectionSetNode) -> list[str]:
    names, stack = [], [selections]
    while stack:
        for selection in _selections(stack.pop()):
            if isinstance(selection, FragmentSpreadNode):
                names.append(selection.name.value)
            elif selection.selection_set:
                stack.append(selection.selection_set)
    return names


def _page_size(field: FieldNode, variables: Mapping[str, Any]) -> int | None:
    for argument in field.arguments or ():
        if argument.name.value in ("first", "last"):
            if isinstance(argument.value, IntValueNode):
                return _counted(int(argument.value.value))
            if isinstance(argument.value, VariableNode):
                value = variables.get(argument.value.name.value)
                return _counted(value) if isinstance(value, int) else DEFAULT_PAGE
    return DEFAULT_PAGE if field.name.value in _PAGED and field.selection_set else None


def _counted(size: int) -> int:
    """A page size as it counts here; sizes that are never allowed are refused by their own rules."""
    return min(max(size, 0), 1000)


def introspects(document: DocumentNode) -> bool:
    """Whether any operation or fragment asks for the schema itself."""
    stack = [getattr(definition, "selection_set", None) for definition in document.definitions]
    while stack:
        for selection in _selections(stack.pop()):
            if isinstance(selection, FieldNode) and selection.name.value in ("__schema", "__type"):
                return True
            stack.append(getattr(selection, "selection_set", None))
    return False
