// A typed client of /api/v1: it compiles against the generated types, and calls the live server.
import createClient from 'openapi-fetch'
import type { paths } from './generated/api'

const env = (globalThis as unknown as { process: { env: Record<string, string> } }).process.env
const client = createClient<paths>({
  baseUrl: env.REST_URL, headers: { Authorization: `Bearer ${env.GRAPHQL_TOKEN}` },
})

const boards = await client.GET('/api/v1/boards', { params: { query: { limit: 200 } } })
const board = boards.data!.items.find(one => one.name === 'Typed')!
const made = await client.POST('/api/v1/boards/{board_id}/tasks', {
  params: { path: { board_id: board.id } },
  body: { title: 'From TypeScript', status: 'inbox', priority: 'high' } as never,
})
const refused = await client.GET('/api/v1/boards/{board_id}', { params: { path: { board_id: made.data!.id } } })
console.log(JSON.stringify([board.name, made.data!.title, made.data!.status, refused.response.status]))
