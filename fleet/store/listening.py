"""Notifications of the database as a hint: they only ever save time, and whoever listens looks by itself as well."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import psycopg
from psycopg import AsyncConnection, sql

from fleet.clock import Clock, pause


async def listen(
    url: str, heard: Mapping[str, Callable[[], object]], clock: Clock, again_s: float, log: logging.Logger
) -> None:
    """For ever: calls what stands under a channel at each of its notifications. A connection that was lost is made anew
    after ``again_s``; what was notified meanwhile is not told."""
    while True:
        try:
            async with await AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
                for channel in heard:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                async for notification in connection.notifies():
                    heard[notification.channel]()
        except psycopg.Error as error:
            log.warning("listening to %s failed, polling goes on: %s", ", ".join(heard), type(error).__name__)
        await pause(clock, again_s)
