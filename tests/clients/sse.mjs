import { createClient } from "graphql-sse";
import { run, token, url } from "./operations.mjs";

const client = createClient({
  url,
  singleConnection: false,
  retryAttempts: 0,
  headers: { authorization: `Bearer ${token}` },
});
await run((request) => client.iterate(request));
client.dispose();
