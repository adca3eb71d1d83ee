"""The flash of a unit as it leaves the workshop, with CoAP as its one way to a server that never answers."""

import os


def provisioned(kind=None):
    """A flash of this kind (`firmware.ports.flash.Flash`, unless told) that holds this and nothing else. Loads what it
    needs of the firmware when it is called: one of the tests looks at the loading."""
    from firmware.ports.flash import Flash
    from protocols.wire import cbor

    os.chdir(os.getenv("TEST_FLASH"))
    for name in os.listdir():
        os.remove(name)
    flash = (kind or Flash)()
    flash.replace("identity.cbor", cbor.encode({1: 1, 2: 1, 3: bytes(16)}))
    flash.replace("config.cbor", cbor.encode({1: 1, 2: 300, 3: ["coap"], 4: [["127.0.0.1", 9]]}))
    flash.replace("counters", cbor.encode({1: 0, 2: 0}))
    return flash
