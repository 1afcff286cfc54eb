"""The composition root of the edge: settings in, parts out."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from gateline.edge.access_log import AccessLog
from gateline.edge.app import Parts
from gateline.edge.caching import ResponseCache
from gateline.edge.cookie_renewal import CookieRenewer
from gateline.edge.credentials import CredentialKeeper, fetcher
from gateline.edge.exchange import Exchange
from gateline.edge.forwarding import Forwarder
from gateline.edge.gateway import Compiled, Gateway, Lasting, build, compile_plan
from gateline.edge.health import Asked, Health
from gateline.edge.identification import Identification
from gateline.edge.inflight import InFlight
from gateline.edge.invalidation import InvalidationFeed
from gateline.edge.limits import LimitKeeper, ValkeyStore
from gateline.edge.openapi import Description, Process
from gateline.edge.pipeline import OwnAnswer, Pipeline
from gateline.edge.record import Recorder
from gateline.edge.rehearsal import problems
from gateline.edge.reload import Reloader, Start, Steps, Switch, first_plan
from gateline.edge.sessions import SessionMemory
from gateline.edge.sockets.entrance import LIVE, SOCKET_IO, Doorkeeper, Entrance, socket_routes
from gateline.edge.sockets.fan_out import FanOut
from gateline.edge.sockets.guests import Guests
from gateline.edge.sockets.opening import Opener
from gateline.edge.sockets.places import Places
from gateline.edge.sockets.plain import PlainDashboard
from gateline.edge.sockets.proxying import Patience, SocketProxy
from gateline.edge.sockets.snapshot import Snapshot
from gateline.edge.sockets.socket_io import Register, SocketIo
from gateline.edge.telemetry import Telemetry
from gateline.edge.tracing import Tracer
from gateline.edge.upstream import Client, Pool
from gateline.edge.upstreams import Upstream, Upstreams
from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit
from gateline.policy.routes import Destination, Route
from gateline.shared import kv, logs
from gateline.shared.config import Settings
from gateline.shared.gateway import GatewayFileError, GatewayPlan, load_plan
from gateline.shared.gateway.last_good import LastGood
from gateline.shared.gateway.loading import plan_of
from gateline.shared.gateway.source import Source
from gateline.shared.routing import platform_services
from gateline.shared.telemetry import Entry
from gateline.shared.telemetry.writing import Backlog
from gateline.shared.tokens import Tokens

_OWN: Final = ("health", "livez", "readyz", "openapi.json")
_AUTH: Final = "auth"
_ALIAS: Final = "jwt"
_RENEW_COOKIE_SHARE: Final = 1 / 3


def begin(settings: Settings) -> Start:
    """Return the plan that a worker starts with; raises GatewayFileError."""
    file = settings.gateline_config

    def recall(text: str) -> GatewayPlan:
        # The server listens, with a certificate that it keeps, whatever became of its file.
        return plan_of(Source.parse(text, file), settings, listens=False)

    return first_plan(file, _loader(settings), recall, LastGood.of(os.environ))


def compose(
    settings: Settings,
    records: Backlog[Entry],
    register: Register | None = None,
    start: Start | None = None,
) -> Parts:
    """Build one worker's edge; call it inside the event loop that will run it.

    `records` are the entries that the log handler of this process gathers, `register` adds one's
    own events to the Socket.IO server, `start` is the plan where it is known already.
    """
    start = start or begin(settings)
    plan = start.plan
    client = Client()
    store = kv.connect_async(settings)
    tokens = Tokens.from_settings(settings)
    sessions = SessionMemory(store, tokens, idle_seconds=settings.session_idle_seconds)
    fan_out, guests, snapshot = FanOut(store), Guests(sessions), Snapshot(store)
    socket_io = SocketIo(
        fan_out,
        guests,
        snapshot,
        transports=settings.gateline_socketio_transports,
        register=register,
    )
    patience = Patience(idle=settings.gateline_socket_idle)
    proxy = SocketProxy(Opener(), guests, sessions, patience=patience)
    places = Places(settings.gateline_max_sockets, settings.gateline_max_sockets_per_client)
    doorkeeper = Doorkeeper(socket_io, proxy, places)
    limits = LimitKeeper(ValkeyStore(store, secrets.token_hex(4)))
    credentials = CredentialKeeper(fetcher(Client()), limits.of_key)
    services = Upstreams(client)
    cache = ResponseCache()
    lasting = Lasting(
        services,
        credentials=credentials.for_plan,
        cache=cache.for_plan,
        sockets=doorkeeper,
    )

    def compiled(plan: GatewayPlan) -> Compiled:
        return compile_plan(plan, own_routes(plan), limits.for_plan)

    gateway = build(plan, compiled(plan), lasting)
    upstreams = gateway.upstreams
    ours = frozenset(platform_services(settings))
    health = Health(client, _asked(gateway, ours), store, auth=_AUTH)
    in_flight = InFlight()
    access_log = _access_log(settings)
    telemetry = Telemetry(store, _own_name(), records=records, in_flight=lambda: len(in_flight))
    recorder = Recorder(access_log, telemetry, cache.storage)
    tracer = Tracer.from_environment(os.environ)
    description = Description(client, _processes(upstreams), gateway.door.routes, plan.services)

    renewer = _renewer(settings, client, upstreams)

    def follow(version: Gateway) -> None:
        # Everything that could fail comes before the first change.
        asked, processes = _asked(version, ours), _processes(version.upstreams)
        auth = version.upstreams.get(_AUTH)
        health.services = asked
        description.follow(processes, version.door.routes, version.plan.services)
        if renewer is not None and auth is not None:
            renewer.auth = auth.targets[0].pool

    pipeline = Pipeline(
        gateway,
        people=Identification(sessions),
        forwarder=Forwarder(
            client,
            renewer=renewer,
        ),
        recorder=recorder,
        in_flight=in_flight,
        own=_limited(
            limits,
            Limit.parse(settings.edge_rate_limit),
            {
                "edge:health": health.health,
                "edge:livez": health.live,
                "edge:readyz": health.ready,
                "edge:openapi.json": description.show,
                LIVE: doorkeeper.live,
                SOCKET_IO: doorkeeper.socket_io,
            },
        ),
        tracer=tracer,
    )
    switch = Switch(
        pipeline,
        (follow, lambda version: services.settle(version.upstreams)),
        settled=(limits.settled, credentials.settled),
    )
    reloader = Reloader(
        settings.gateline_config,
        Steps(_loader(settings), compiled, lambda plan, made: build(plan, made, lasting)),
        switch.to,
        current=gateway,
        start=start,
        last_good=LastGood.of(os.environ),
    )
    health.configuration = reloader.report
    switch.to(gateway)
    return Parts(
        pipeline=pipeline,
        reloader=reloader,
        client=client,
        services=services,
        kv=store,
        limits=limits,
        feed=InvalidationFeed(store, sessions),
        sessions=sessions,
        in_flight=in_flight,
        recorder=recorder,
        tracer=tracer,
        access_log=access_log,
        telemetry=telemetry,
        health=health,
        entrance=Entrance(
            pipeline,
            doorkeeper,
            proxy=proxy,
            plain=PlainDashboard(fan_out, guests, snapshot),
            socket_io=socket_io,
        ),
        socket_io=socket_io,
        fan_out=fan_out,
        guests=guests,
        proxy=proxy,
    )


def _limited(
    keeper: LimitKeeper, limit: Limit, answers: Mapping[str, OwnAnswer]
) -> dict[str, OwnAnswer]:
    """Count what the edge answers itself, each by itself: a busy socket starves no probe."""
    rule = LimitRule(limit, limit.requests)

    def counted(name: str, answer: OwnAnswer) -> OwnAnswer:
        limits = keeper.own(name, rule)

        async def count(exchange: Exchange) -> None:
            waiting = limits.take(exchange)
            if waiting is not None:
                await waiting
            await answer(exchange)

        return count

    return {name: counted(name, answer) for name, answer in answers.items()}


def _loader(settings: Settings) -> Callable[[str | None], GatewayPlan]:
    """Return what makes a plan of the very text that was seen; None: of no file.

    What could not be built is refused here, where its line is known.
    """

    def load(text: str | None) -> GatewayPlan:
        if text is None:
            return load_plan(settings)
        source = Source.parse(text, settings.gateline_config)
        plan = plan_of(source, settings)
        wrong = tuple(problems(source, plan.services.values()))
        if wrong:
            raise GatewayFileError(wrong)
        return plan

    return load


def own_routes(plan: GatewayPlan) -> tuple[Route, ...]:
    """Return the routes that the edge answers itself; without the platform it has no sockets."""
    own = tuple(Route(name, f"/{name}", Destination(f"edge:{name}"), auth="none") for name in _OWN)
    return (*own, *socket_routes()) if plan.platform else own


def _asked(gateway: Gateway, ours: Collection[str]) -> dict[str, Asked]:
    """Return whom health asks: all services but the alias, each as it wants to be asked."""
    asked: dict[str, Asked] = {}
    for name, upstream in gateway.upstreams.items():
        if name != _ALIAS:
            pools = tuple(target.pool for target in upstream.targets)
            probe = upstream.service.probe
            path = probe.path.encode("ascii") if probe is not None else b"/health"
            asked[name] = Asked(pools, path, ours=name in ours)
    return asked


def _processes(upstreams: Mapping[str, Upstream]) -> tuple[Process, ...]:
    """Return each address once, with the names of all services that answer there."""
    names: dict[Pool, set[str]] = {}
    for name, upstream in upstreams.items():
        if name != _ALIAS:
            names.setdefault(upstream.targets[0].pool, set()).add(name)
    return tuple(Process(frozenset(several), pool) for pool, several in names.items())


def _renewer(
    settings: Settings, client: Client, upstreams: Mapping[str, Upstream]
) -> CookieRenewer | None:
    auth = upstreams.get(_AUTH)
    if auth is None or not settings.service_key:
        return None
    return CookieRenewer(
        client,
        auth.targets[0].pool,
        settings.service_key,
        within_seconds=settings.access_token_minutes * 60 * _RENEW_COOKIE_SHARE,
        clock=time.time,
    )


def _own_name() -> str:
    """Return the name of this worker among all edges."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _access_log(settings: Settings) -> AccessLog:
    """Return the access log; its lines are of level INFO, so a higher LOG_LEVEL leaves them out."""
    wanted = settings.log_level in ("DEBUG", "INFO")
    return AccessLog(logs.write_lines if wanted else _drop, as_json=settings.log_format == "json")


def _drop(_: str) -> None:
    """Write nothing."""
