// One operation a tab. GraphiQL drops the variables of the first default tab, so that one has none.
export const samples = [
  {
    query: `# Welcome. Paste your token above, press Save, then run this with Ctrl-Enter.
query Overview {
  viewer {
    actor { displayName }
    organization { name }
  }
  boards(first: 10) {
    nodes {
      id
      name
      eventCursor
      taskCounts { status count }
      lead { name status }
    }
  }
}
`,
  },
  {
    query: `mutation CreateBoard($input: CreateBoardInput!) {
  createBoard(input: $input) {
    board { id name eventCursor }
  }
}
`,
    variables: JSON.stringify(
      { input: { name: "My first board", slug: "my-first-board", description: "Trying things out." } },
      null,
      2,
    ),
  },
  {
    query: `# Put an agent on the board: any program that sends this token is the agent.
mutation CreateAgent($input: CreateAgentInput!) {
  createAgent(input: $input) {
    token
    agent { id name role }
  }
}
`,
    variables: JSON.stringify({ input: { name: "Lena", boardId: "", isLead: true } }, null, 2),
  },
  {
    query: `mutation CreateTask($input: CreateTaskInput!) {
  createTask(input: $input) {
    cursor
    task { id title status nextStatuses { status isAllowed reason } }
  }
}
`,
    variables: JSON.stringify({ input: { boardId: "", title: "Say hello" } }, null, 2),
  },
  {
    query: `# Leave "after" out to follow from now, or give a board's eventCursor to miss nothing since you read it.
subscription Follow($board: ID!, $after: Cursor) {
  boardEvents(boardId: $board, after: $after) {
    cursor
    at
    kind
    actor { displayName }
    changes { field before after }
    ... on TaskEvent { task { title status } comment { message } }
    ... on ApprovalEvent { approval { actionType status } }
    ... on MemoryEvent { entry { content } }
    ... on AgentEvent { agent { name status } }
  }
}
`,
    variables: JSON.stringify({ board: "" }, null, 2),
  },
];
