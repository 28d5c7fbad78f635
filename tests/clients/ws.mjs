import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { run, token, url } from "./operations.mjs";

const client = createClient({
  url: url.replace("http", "ws"),
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${token}` },
  retryAttempts: 0,
  lazyCloseTimeout: 1000,
});
await run((request) => client.iterate(request));
await client.dispose();
