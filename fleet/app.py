"""The composition root of the fleet server: joins front doors, forwarding and pages with real things."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Literal

import uvicorn

from fleet.attention.run import Attention
from fleet.clock import SystemClock
from fleet.connectivity.run import Connectivity
from fleet.escalation.run import Escalation
from fleet.evidence.run import Evidence
from fleet.evidence.signing import SigningKey
from fleet.forwarding.heads_elsewhere import HeadsElsewhere
from fleet.forwarding.link_apprise import AppriseLink
from fleet.forwarding.links import Links
from fleet.forwarding.notices import Notices
from fleet.forwarding.run import Forwarding
from fleet.forwarding.taken_door import TakenDoor
from fleet.forwarding.taken_sip import TakenSip
from fleet.ingest.drill_orders import order_test
from fleet.ingest.probe_orders import order_probe
from fleet.ingest.run import Ingest
from fleet.ingest.sim_orders import order_policy
from fleet.notify.run import Notifications
from fleet.pairing.watch import PairingWatch
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.pool import make_pool
from fleet.subscriptions.run import Subscriptions
from fleet.supervision.run import Supervisor
from fleet.supervision.steps import Steps
from fleet.technicians.watch import DrillWatch
from fleet.web.app import make_app

log = logging.getLogger("livlina")


class FleetServer:
    """Everything the server runs, in one process and one event loop. Nothing is opened before ``run``.

    ``acknowledge`` is for one test only: "before_commit" breaks the promise on purpose, to show that the journey test
    would notice. No setting reaches it.
    """

    def __init__(
        self,
        settings: Settings,
        database_url: str,
        box: SecretBox,
        *,
        acknowledge: Literal["after_commit", "before_commit"] = "after_commit",
    ) -> None:
        self._settings = settings
        self._url = database_url
        self._box = box
        clock = SystemClock()
        self._taken = TakenDoor(database_url, box, clock)
        self._taken_sip = TakenSip(
            database_url, box, clock, listen=settings.sip_listen, port=settings.sip_port,
            tls_port=settings.sip_tls_port, tls=None if settings.sip_tls_port is None else _certificate(settings),
        )  # fmt: skip
        self._ingest = Ingest(settings, database_url, box, acknowledge=acknowledge, hooks=self._taken.routes)
        self._links = Links(database_url, box, clock)
        self._forwarding = Forwarding(database_url, self._links.link_to, clock=clock)
        self._escalation = Escalation(database_url, clock=clock)
        self._drills = DrillWatch(database_url, clock=clock)
        self._pairings = PairingWatch(database_url, order_test, clock=clock)
        self._connectivity = Connectivity(database_url, box, order_policy, clock=clock)
        self._gateways = gateways(settings)
        self._notices = Notices(database_url, self._gateways, clock=clock)
        self._subscriptions = Subscriptions(database_url, box, clock=clock)
        self._supervisor = Supervisor(database_url, clock=clock)
        # Gateways of its own: a dead one that technicians are told by must not hold up a manager's message.
        self._notifications = Notifications(database_url, gateways(settings), clock=clock)
        self._attention = Attention(database_url, clock=clock)
        self._steps = Steps(database_url, box, order_probe, self._gateways.get("sms"), clock=clock)
        self._heads = HeadsElsewhere(settings.heads_url, settings.heads_mail, self._gateways.get("email"))
        self._evidence = Evidence(
            database_url,
            SigningKey.open(settings.evidence_key_file, create=True),
            settings.heads_file,
            publish=self._heads.publish,
            clock=clock,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set. Raises OSError when a port is taken, RuntimeError when a loop of ours has
        ended; then nothing is left running, and whoever supervises the process starts it again."""
        web_pool = make_pool(self._url, "web", size=4)
        login_pool = make_pool(self._url, "login", size=2)
        app = make_app(web_pool=web_pool, login_pool=login_pool, listener_url=self._url, box=self._box)
        pages = PageServer(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=3,
                ws_max_size=4096,
            )
        )
        async with contextlib.AsyncExitStack() as stack:
            door = stack.enter_context(_listen(self._settings.http_listen, self._settings.http_port))
            for pool in (web_pool, login_pool):
                await pool.open()
                stack.push_async_callback(pool.close)
            await self._taken.start()
            stack.push_async_callback(self._taken.stop)
            await self._taken_sip.start()
            stack.push_async_callback(self._taken_sip.stop)
            await self._ingest.start()
            stack.push_async_callback(self._ingest.stop)
            for gateway in self._gateways.values():
                stack.callback(gateway.close)
            stack.push_async_callback(self._heads.close)
            parts = (self._links, self._forwarding, self._escalation, self._notices, self._drills, self._pairings,
                     self._evidence, self._subscriptions, self._supervisor, self._steps,
                     self._connectivity, self._attention, self._notifications)  # fmt: skip
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            log.info(
                "pages on http://%s:%d, CoAP on %s, MQTT on %s",
                *door.getsockname()[:2], self._ingest.coap_address, self._ingest.mqtt_address,
            )  # fmt: skip
            serving = asyncio.create_task(pages.serve(sockets=[door]))
            watched = (
                stop.wait(),
                self._ingest.watch(),
                self._forwarding.watch(),
                self._escalation.watch(),
                self._notices.watch(),
                self._drills.watch(),
                self._pairings.watch(),
                self._taken_sip.watch(),
                self._evidence.watch(),
                self._subscriptions.watch(),
                self._supervisor.watch(),
                self._steps.watch(),
                self._connectivity.watch(),
                self._attention.watch(),
                self._notifications.watch(),
                _watch_pages(app.state.broken),
            )
            ends = {asyncio.create_task(end) for end in watched}
            done, waiting = await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
            pages.should_exit = True
            for task in waiting - {serving}:
                task.cancel()
            await serving
            for task in done:
                task.result()  # a part that has broken says so here, and the process ends with it


async def _watch_pages(broken: asyncio.Event) -> None:
    await broken.wait()
    raise RuntimeError("a task of the pages has ended: see the log")


def _certificate(settings: Settings) -> ssl.SSLContext:
    """The server's own certificate, as the MQTT door shows it. Raises OSError where there is none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_folder / "server.pem", settings.tls_folder / "server.key")
    return context


def _listen(host: str, port: int) -> socket.socket:
    """The pages' listening socket. Raises OSError with the address, so that nobody has to guess which port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(error.errno, f"the pages cannot listen on {host} port {port}: {error.strerror}") from error


class PageServer(uvicorn.Server):
    """uvicorn without its own signal handling: who composes the server decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def gateways(settings: Settings) -> dict[str, AppriseLink]:
    """The ways to people that this installation has, by channel."""
    named = {
        "sms": (settings.sms_gateway, "LIVLINA_SMS_GATEWAY"),
        "email": (settings.mail_gateway, "LIVLINA_MAIL_GATEWAY"),
    }
    return {channel: AppriseLink(url, setting=name) for channel, (url, name) in named.items() if url is not None}
