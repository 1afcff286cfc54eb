"""The page of the gateway file: what it is by hand, every table and setting from the models."""

from collections.abc import Iterator
from typing import Final

from gateline.shared.gateway.reference import FieldReference, TableReference, reference

_INTRODUCTION: Final = """\
# The gateway file

`gateline.toml` says which services stand behind the gate and which requests go to whom. It is read
from the working folder, or from where GATELINE_CONFIG or `--config` say. Without one the platform
serves with its samples; with one it serves accounts, API, pages and control room besides what the
file says, and samples only when asked. The smallest useful file fronts a Flask app that
`gateline up` itself serves:

```toml
[services.shop]
app = "shop:create_app"

[[routes]]
path = "/api/shop/*"
service = "shop"
auth = "session"
roles = ["customer"]
rate_limit = "600/minute"
```

## Write it

- A time is a number of seconds, or `"500ms"`, `"10s"`, `"5m"`, `"1h"`. A size is a number of bytes,
  or `"500kB"`, `"10MB"`, `"1GiB"`. A rate is `"600/minute"` (second, minute, hour, day).
- Paths of files count from the folder of the gateway file.
- Where a list is asked for, one text may stand for a list of one.
- What the environment says wins over the file: ALLOWED_HOSTS, CORS_ORIGINS, EDGE_TRUSTED_PROXIES,
  MAX_BODY_BYTES. In production ALLOWED_HOSTS must be set in any case: the services behind the gate
  look at it too. GATELINE_APPS names where an `app` is served that `gateline up` does not serve.
- Editors that know JSON Schema complete and check while one types: write
  `gateline check --schema` to a file beside this one and name it in the first line, as in
  `#:schema ./gateline.schema.json`.

## Which route answers

The most specific one, whatever their order in the file:

1. one with the request's host over one with `*.example.com` over one for any host,
2. then, part by part of the path, a word over a `{parameter}` over `/*`,
3. then the one with more conditions in `headers`, and one that asks for a value over one that
   asks for presence,
4. then one that names methods over one that takes all, and last the earlier one.

Two routes that claim the very same requests are an error. A route of the file takes the place of
one of the platform's own for the same requests, with a warning; `/*` so takes the place of the
platform's pages, and of its refusal of unknown paths below `/api/`. What the gateway answers
itself (`/health`, `/livez`, `/readyz`, `/openapi.json`, with the platform `/ws/*` and
`/socket.io/*`) cannot be taken.

## Check it

`gateline check` reads the whole file and names everything at once, each with line, field, what is
wrong and what would be right:

```text
gateline.toml:7: routes[1].auth: 'sesion' is none of the choices; did you mean 'session'?
gateline.toml:8: routes[1].roels: is no setting that is known here; did you mean 'roles'?
```

Warnings are what is allowed and probably not meant: a route that is never reached, a service to
which none leads, an unknown role, roles where nobody is asked who it is, credentials for a
wildcard origin. The command ends with 0 when the file is right, with 1 for warnings under
`--strict`, with 2 for errors. `gateline routes` shows the table that comes of it and
`gateline explain` what would become of one request.

A running edge reads the file anew when it changes, and on SIGHUP: checked whole, taken at once; a
wrong, an empty or a missing one is refused with all its problems in the log while the old one
serves on.

## In Flask alone

A deployment without the edge (`gunicorn "gateline.web:create_app()"`, and no WEB_SERVICE_URL, which
says that an edge is in front) serves the file's routes too: hosts, paths, headers, methods,
redirects, sessions and roles, limits, networks, prefixes, changes of headers, time-outs. It reads
the file once, when it starts. What needs the edge is left out: WebSockets, Unix sockets, HTTP/2,
CORS of single routes, caching, compression, mirroring, weights, health checks, keys and issuers. A
route that accepts no session knows nobody there.

## Every setting

This part is made by `make docs` from the same models that check the file.
"""


def gateway_file() -> str:
    """Return the page of the gateway file."""
    return _INTRODUCTION + "".join(map(_table, reference()))


def _table(table: TableReference) -> str:
    head = f"\n### `{table.heading}`\n\n{table.description}\n\n"
    columns = "| Setting | Meaning | Default | For example |\n|---|---|---|---|\n"
    return head + columns + "".join(_rows(table))


def _rows(table: TableReference) -> Iterator[str]:
    for field in table.fields:
        cells = (f"`{field.name}`", _cell(field.description), _default(field), _example(field))
        yield f"| {' | '.join(cells)} |\n"


def _default(field: FieldReference) -> str:
    if field.required:
        return "required"
    return f"`{field.default}`" if field.default and field.default != "as below" else field.default


def _example(field: FieldReference) -> str:
    return f"`{_cell(field.example)}`" if field.example else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
