// A browser client of /api/v1 in the manner of the web client that the API was made for: a bearer token from the tab's
// storage in every call, bare fetch without cookies, event streams read by hand, no retries of changes.
'use strict'
const API = new URLSearchParams(location.search).get('api')
const KEY = 'mc_local_auth_token'
const token = () => sessionStorage.getItem(KEY)

async function call(method, path, body, bearer = token()) {
  const headers = {}
  if (bearer) headers.Authorization = `Bearer ${bearer}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const url = path.startsWith('/healthz') ? API + path : `${API}/api/v1${path}`
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  const kind = answer.headers.get('content-type') || ''
  const data = kind.includes('json') ? await answer.json() : await answer.text()
  if (answer.status !== 200) {
    const detail = data.detail
    const text = typeof detail === 'string' ? detail : Array.isArray(detail) ? detail[0].msg : 'Request failed'
    throw Object.assign(new Error(text), { status: answer.status })
  }
  return { data, total: answer.headers.get('X-Total-Count'), status: answer.status }
}
const get = async path => (await call('GET', path)).data
const send = async (method, path, body) => (await call(method, path, body)).data
const attempt = async (method, path, body) => {
  try { return { status: 200, data: await send(method, path, body) } }
  catch (error) { return { status: error.status || 0, text: error.message } }
}

// A query is repeated once on any error, as the client's query library does.
async function query(path) {
  try { return await get(path) } catch { await new Promise(done => setTimeout(done, 1000)); return get(path) }
}

// -- event streams ----------------------------------------------------------------------------------------------------

function follow(path, name, heard) {
  let pause = 1000, stopped = false, abort
  const run = async () => {
    while (!stopped) {
      abort = new AbortController()
      try {
        const answer = await fetch(`${API}/api/v1${path}`, {
          headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token()}` }, signal: abort.signal })
        if (answer.status !== 200 || !answer.headers.get('content-type').includes('text/event-stream')) throw Error('refused')
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
        let rest = ''
        for (;;) {
          const { value, done } = await reader.read()
          if (done) break
          pause = 1000
          rest = (rest + value).replaceAll('\r\n', '\n')
          let end
          while ((end = rest.indexOf('\n\n')) >= 0) {
            frame(rest.slice(0, end), name, heard)
            rest = rest.slice(end + 2)
          }
        }
      } catch { /* the next turn tries again */ }
      if (stopped) return
      await new Promise(done => setTimeout(done, pause * (1 + Math.random() * 0.2)))
      pause = Math.min(pause * 2, 300000)
    }
  }
  run()
  return () => { stopped = true; abort?.abort() }
}

function frame(text, name, heard) {
  let event = 'message', data = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    if (line.startsWith('data:')) data += line.slice(5).trim()
  }
  if (event !== name || !data) return
  try { heard(JSON.parse(data)) } catch { /* broken frames are skipped */ }
}

// -- pages ------------------------------------------------------------------------------------------------------------

const state = { board: null, tasks: new Map(), chat: new Map(), approvals: new Map(), agents: new Map(),
  comments: new Map(), feed: [], stop: [] }

function draw() {
  const text = (id, lines) => { document.getElementById(id).innerText = lines.join('\n') }
  text('board', [...state.tasks.values()].map(task => `${task.status}: ${task.title}`))
  text('chat', [...state.chat.values()].map(entry => entry.content))
  text('approvals', [...state.approvals.values()].map(one => `${one.status}: ${one.action_type}`))
  text('feed', [...state.comments.values(), ...state.feed])
}

const newest = times => times.filter(Boolean).sort().at(-1)
const since = time => time ? `since=${encodeURIComponent(new Date(time + 'Z').toISOString())}` : 'since=null'

async function shell() {
  const [me, list] = await Promise.all([get('/users/me'), get('/organizations/me/list')])
  const member = await get('/organizations/me/member')
  const health = await get('/healthz')
  document.getElementById('organization').innerText = list.find(one => one.is_active).name
  document.getElementById('health').innerText = health.ok ? 'all systems operational' : 'degraded'
  return { me, list, member, complete: Boolean((me.preferred_name || me.name) && me.timezone) }
}

async function openBoard(id) {
  leave()
  const [tags, fields, snapshot] = await Promise.all(
    [query('/tags'), query('/organizations/me/custom-fields'), query(`/boards/${id}/snapshot`)])
  const group = await query(`/boards/${id}/group-snapshot?include_self=false&include_done=false&per_board_task_limit=5`)
  state.board = snapshot.board
  state.tasks = new Map(snapshot.tasks.map(task => [task.id, task]))
  state.chat = new Map(snapshot.chat_messages.map(entry => [entry.id, entry]))
  state.approvals = new Map(snapshot.approvals.map(one => [one.id, one]))
  state.agents = new Map(snapshot.agents.map(one => [one.id, one]))
  draw()
  attend(null)
  return { tags, fields, snapshot, group }
}

// Streams run while the tab has the focus, and begin again at the newest that it knows.
const leave = () => state.stop.splice(0).forEach(stop => stop())
function attend(agentsSince = newest([...state.agents.values()].map(one => one.updated_at))) {
  const id = state.board.id, times = (rows, ...keys) => newest([...rows.values()].flatMap(row => keys.map(key => row[key])))
  const hear = (path, name, change) => state.stop.push(follow(path, name, data => { change(data); draw() }))
  hear(`/boards/${id}/tasks/stream?${since(times(state.tasks, 'updated_at'))}`, 'task', data => {
    if (data.type === 'task.comment') state.comments.set(data.comment.id, `comment: ${data.comment.message}`)
    else if (data.task) state.tasks.set(data.task.id, { ...state.tasks.get(data.task.id), ...data.task })
  })
  hear(`/boards/${id}/approvals/stream?${since(times(state.approvals, 'created_at', 'resolved_at'))}`, 'approval',
    data => { if (data.approval) state.approvals.set(data.approval.id, data.approval) })
  hear(`/boards/${id}/memory/stream?is_chat=true&${since(times(state.chat, 'created_at'))}`, 'memory',
    data => state.chat.set(data.memory.id, data.memory))
  hear(`/agents/stream?board_id=${id}&${since(agentsSince)}`, 'agent', data => {
    if (data.agent) { state.agents.set(data.agent.id, data.agent); state.feed.push(`agent: ${data.agent.name}`) }
  })
}
addEventListener('blur', leave)
addEventListener('focus', () => { if (state.board && !state.stop.length) attend() })

async function drag(id, status) {
  const before = state.tasks.get(id)
  state.tasks.set(id, { ...before, status, assignee: status === 'inbox' ? null : before.assignee })
  draw()
  try {
    const answer = await send('PATCH', `/boards/${state.board.id}/tasks/${id}`, { status })
    state.tasks.set(id, { ...before, ...answer })
    draw()
    return 'moved'
  } catch (error) {
    state.tasks.set(id, before)
    draw()
    return error.status === 403 ? 'read-only access' : error.message
  }
}

function followMemory(path) {
  state.stop.push(follow(path, 'memory', data => { state.feed.push(data.memory.content); draw() }))
}

async function say(content) {
  const entry = await send('POST', `/boards/${state.board.id}/memory`, { content, tags: ['chat'], source: 'Me' })
  state.chat.set(entry.id, entry)
  draw()
}

// The form of a gateway is saved when the server could reach it, all six keys together.
async function saveGateway(draft, id) {
  const asked = new URLSearchParams({ gateway_url: draft.url, gateway_disable_device_pairing: draft.disable_device_pairing,
    gateway_allow_insecure_tls: draft.allow_insecure_tls, ...(draft.token ? { gateway_token: draft.token } : {}) })
  const found = await get(`/gateways/status?${asked}`)
  if (!found.connected) return { said: found.error }
  const { name, url, token, disable_device_pairing, workspace_root, allow_insecure_tls } = draft
  const body = { name, url, token: token || null, disable_device_pairing, workspace_root, allow_insecure_tls }
  return { saved: await (id ? send('PATCH', `/gateways/${id}`, body) : send('POST', '/gateways', body)) }
}

// -- signing in -------------------------------------------------------------------------------------------------------

document.getElementById('login').addEventListener('submit', async event => {
  event.preventDefault()
  const value = document.getElementById('token').value.trim(), said = document.getElementById('said')
  if (value.length < 50) { said.value = 'too short'; return }
  try {
    await call('GET', '/users/me', undefined, value)
    sessionStorage.setItem(KEY, value)
    location.reload()
  } catch (error) {
    said.value = [401, 403].includes(error.status) ? 'invalid' : error.status ? `status ${error.status}` : 'unable to reach'
  }
})

if (token()) {
  document.getElementById('login').hidden = true
  document.querySelector('main').hidden = false
  window.ready = shell()
}
