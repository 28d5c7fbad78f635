"""The playground: GraphiQL, built from pinned npm packages at set-up and served from our own origin."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response

FOLDER = Path(__file__).resolve().parent
STATIC = FOLDER / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self' blob:; connect-src 'self'; style-src 'self' "
    "'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mission Control playground</title>
<body style="font: 16px system-ui, sans-serif; max-width: 44em; margin: 4em auto">
<h1>The playground is not built</h1>
<p>The GraphQL API at this address works; only this page's files are missing. Build them with
<code>make playground</code> (it needs the npm registry once), then reload. Any GraphQL client can be used meanwhile:
send <code>POST /graphql</code> with <code>Authorization: Bearer …</code>.</p></body></html>"""


def is_built() -> bool:
    """Whether the bundle is there."""
    return (STATIC / "index.html").is_file()


def playground() -> Response:
    """The page, or what is missing."""
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    if is_built():
        return FileResponse(STATIC / "index.html", headers=headers, media_type="text/html; charset=utf-8")
    return HTMLResponse(MISSING, headers=headers)
