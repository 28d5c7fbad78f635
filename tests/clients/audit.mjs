// The public GraphQL-over-HTTP audits: prints what is not ok, exits with 1 for any error, warning or notice.
import { serverAudits } from "graphql-http";

const url = process.env.GRAPHQL_URL;
const fetchFn = (input, init = {}) => fetch(input, { ...init, signal: AbortSignal.timeout(10_000) });
const count = { ok: 0, notice: 0, warn: 0, error: 0, fatal: 0 };
for (const { id, name, fn } of serverAudits({ url, fetchFn })) {
  let result;
  try {
    result = await fn();
  } catch (error) {
    result = { id, name, status: "fatal", reason: String(error?.cause ?? error) };
  }
  count[result.status]++;
  if (result.status !== "ok") console.log(`${result.status} ${result.id} ${result.name}: ${result.reason}`);
}
console.log(JSON.stringify(count));
process.exitCode = count.ok > 50 && count.notice + count.warn + count.error + count.fatal === 0 ? 0 : 1;
