// Queries and mutations go over HTTP, subscriptions over a WebSocket; both carry the token.
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { parse } from "graphql";
import { createClient } from "graphql-ws";

const HTTP_URL = new URL("/graphql", location.href);
const WS_URL = new URL("/graphql", location.href);
WS_URL.protocol = location.protocol === "https:" ? "wss:" : "ws:";

// GraphiQL works out the operation's name 100 ms after an edit or a change of tab; an operation that is run sooner
// would go out with the former one's.
function findOperation({ query, operationName }) {
  try {
    const operations = parse(query).definitions.filter((one) => one.kind === "OperationDefinition");
    return operations.find((one) => one.name?.value === operationName) ?? operations[0];
  } catch {
    return undefined; // the server reports the syntax error
  }
}

function subscribe(params, connectionParams) {
  const client = createClient({ url: WS_URL.href, connectionParams, retryAttempts: 0 });
  const results = client.iterate(params);
  const next = results.next.bind(results);
  results.next = () =>
    next().catch((error) => {
      if (error instanceof CloseEvent) throw new Error(`WebSocket closed: ${error.code} ${error.reason}`.trim());
      throw error;
    });
  return results;
}

export function makeFetcher(token) {
  const auth = token ? { Authorization: `Bearer ${token}` } : {};
  const overHttp = createGraphiQLFetcher({ url: HTTP_URL.href, headers: auth, enableIncrementalDelivery: false });
  return (params, options) => {
    const operation = findOperation(params);
    const fresh = { ...params, operationName: operation ? operation.name?.value : params.operationName };
    if (operation?.operation === "subscription") return subscribe(fresh, { ...auth, ...options?.headers });
    return overHttp(fresh, { headers: options?.headers });
  };
}
