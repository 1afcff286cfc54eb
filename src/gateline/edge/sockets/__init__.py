"""WebSockets: those that go to services, and live events for the control room.

A WebSocket on the route of a service is admitted as a request is and then passed on as it is,
messages, subprotocol and close codes (`proxying`).

Live events are at `/ws/dashboard`, as a plain WebSocket and by Socket.IO.

Both need an administrator's session (bearer token, or the cookie from one of our own pages) when
they connect and as long as they are open. Events are `hello` (first: traffic of the last minute),
`traffic` (each edge, each second), `request`, `log` (WARNING and above) and `dropped` (how many
were left out for a client that is too slow). A plain socket gets one JSON object a message, every
20 s a `ping` that wants any message back, and ends with 4401 (session over), 4403 (not an
administrator), 4408 (idle), 1012 (restart: connect again) or 1013 (try later). A Socket.IO client
gets the same objects as events named by their `type`, and `ended` before it is disconnected.

One's own Socket.IO events: `GATELINE_SOCKETIO_EVENTS=module:function`, called with the server.
"""
