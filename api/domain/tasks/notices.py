"""What agents are told about tasks, in our words; each text begins with the header token that agents know."""

from __future__ import annotations

from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.mentions import mentioned, snippet, tokens
from api.domain.tasks.rules import Status
from api.domain.tasks.tables import Task

SNIPPET = 500


def _about(board: Board, task: Task) -> list[str]:
    lines = [f"Board: {board.name}", f"Task: {task.title}", f"Task id: {task.id}", f"Status: {task.status}"]
    if task.description and task.description.strip():
        lines.append(f"Description: {snippet(task.description, SNIPPET)}")
    return lines


def _send(ctx: Context, agent_id: object, reason: str, header: str, lines: list[str], task: Task) -> None:
    ctx.tell(agent_id, reason, "\n".join([header, *lines]), board_id=task.board_id, task_id=task.id)  # type: ignore[arg-type]


def new_task(ctx: Context, board: Board, task: Task, lead: Agent) -> None:
    """A person created a task: the lead sorts it in."""
    lines = [*_about(board, task), "", "Decide who takes it, or ask for what is missing."]
    _send(ctx, lead.id, "task.created", "NEW TASK ADDED", lines, task)


def assigned(ctx: Context, board: Board, task: Task, agent_id: object, *, is_lead: bool) -> None:
    """Somebody got the task."""
    if is_lead and task.status == Status.REVIEW.value:
        lines = [
            *_about(board, task),
            "",
            "Review the work: done if it is right, back to inbox with a comment if not.",
        ]
        _send(ctx, agent_id, "task.review", "TASK READY FOR LEAD REVIEW", lines, task)
        return
    lines = [*_about(board, task), "", "Open the task, begin, and report in its comments."]
    _send(ctx, agent_id, "task.assigned", "TASK ASSIGNED", lines, task)


def rework(ctx: Context, board: Board, task: Task, agent_id: object, comment: str | None) -> None:
    """The lead sent the task back to the worker that did it."""
    said = f"Lead: {snippet(comment, SNIPPET)}" if comment else "The lead's comments on the task say what to change."
    lines = [*_about(board, task), said, "", "Make the changes, then move the task to review again."]
    _send(ctx, agent_id, "task.rework", "CHANGES REQUESTED", lines, task)


def back_in_inbox(ctx: Context, board: Board, task: Task, lead: Agent) -> None:
    """A task lost its agent and waits in the inbox."""
    lines = [*_about(board, task), "", "Find a new agent for it, or plan it anew."]
    _send(ctx, lead.id, "task.unassigned", "TASK BACK IN INBOX", lines, task)


def comment(
    ctx: Context, board: Board, task: Task, agents: list[Agent], text: str, author_id: object, author: str
) -> None:
    """A comment: to those it mentions, or, when it mentions nobody, to the assignee; never to its author."""
    if tokens(text):
        told = mentioned(agents, text)
        header, why = "TASK MENTION", "You were mentioned."
    else:
        told = [agent for agent in agents if agent.id == task.assigned_agent_id]
        header, why = "NEW TASK COMMENT", "You are the assignee."
    for agent in told:
        if agent.id == author_id:
            continue
        lines = [
            *_about(board, task)[:4], f"From: {author}", why, "", snippet(text, SNIPPET), "",
            "Answer in the task's comments"
            + ("." if agent.id == task.assigned_agent_id else "; do not change its status unless it becomes yours."),
        ]  # fmt: skip
        _send(ctx, agent.id, "task.comment", header, lines, task)
