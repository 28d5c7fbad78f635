// What both stream clients run: a query, a mutation, and a subscription that sees the mutation.
export const token = process.env.GRAPHQL_TOKEN;
export const board = process.env.BOARD_ID;
export const url = process.env.GRAPHQL_URL;

export async function run(iterate) {
  const one = async (request) => {
    for await (const result of iterate(request)) return result;
  };
  const told = [];
  const read = await one({ query: "query Q($id: ID!) { board(id: $id) { name eventCursor } }", variables: { id: board } });
  told.push(read.data.board.name);
  const made = await one({
    query: "mutation M($input: CreateTaskInput!) { createTask(input: $input) { task { title } } }",
    variables: { input: { boardId: board, title: "From npm" } },
  });
  told.push(made.data.createTask.task.title);
  for await (const event of iterate({
    query: "subscription S($b: ID!, $a: Cursor) { taskEvents(boardId: $b, after: $a) { kind task { title } } }",
    variables: { b: board, a: read.data.board.eventCursor },
  })) {
    told.push(event.data.taskEvents.kind, event.data.taskEvents.task.title);
    break;
  }
  const wrong = await one({ query: "query { task(id: \"not-a-uuid\") { id } }" });
  told.push(wrong.errors[0].extensions.code);
  console.log(JSON.stringify(told));
}
