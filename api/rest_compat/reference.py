"""`/docs`: the OpenAPI document for people, without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib

SCRIPT = """
const text = (tag, content, parent) => {
  const node = document.createElement(tag); node.textContent = content; parent.appendChild(node); return node;
};
fetch('openapi.json').then(answer => answer.json()).then(spec => {
  const main = document.querySelector('main');
  for (const tag of spec.tags) {
    const found = [];
    for (const [path, methods] of Object.entries(spec.paths))
      for (const [method, operation] of Object.entries(methods))
        if (operation.tags[0] === tag.name) found.push([method, path, operation]);
    if (!found.length) continue;
    text('h2', tag.name, main); text('p', tag.description, main);
    for (const [method, path, operation] of found) {
      const details = document.createElement('details'); main.appendChild(details);
      text('summary', method.toUpperCase() + ' ' + path + ' — ' + operation.summary, details);
      text('p', operation.description, details);
      for (const one of operation.parameters || [])
        text('p', one.in + ': ' + one.name + (one.required ? ' (required)' : ''), details);
      const body = operation.requestBody?.content['application/json']?.example;
      if (body !== undefined) { text('h4', 'Body', details); text('pre', JSON.stringify(body, null, 2), details); }
      for (const [status, answer] of Object.entries(operation.responses)) {
        text('h4', status + ' ' + answer.description, details);
        const example = answer.content?.['application/json']?.example;
        if (example !== undefined) text('pre', JSON.stringify(example, null, 2), details);
      }
      if (operation['x-graphql']) { text('h4', 'GraphQL', details); text('pre', operation['x-graphql'], details); }
    }
  }
});
"""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
summary { cursor: pointer; font-family: ui-monospace, monospace; padding: .2rem 0; }
pre { background: #8881; padding: .6rem; overflow: auto; white-space: pre-wrap; }
"""
PAGE = (
    f"<!doctype html><html lang=en><meta charset=utf-8><title>Mission Control API</title><style>{STYLE}</style>"
    f"<main><h1>Mission Control API</h1><p>The document itself: <a href=openapi.json>openapi.json</a>. "
    f"GraphQL, which offers the same and more: <a href=graphql>graphql</a>.</p></main><script>{SCRIPT}</script></html>"
)


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src {_digest(SCRIPT)}; style-src {_digest(STYLE)}; "
    "base-uri 'none'; form-action 'none'"
)
