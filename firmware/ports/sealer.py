"""Frames of this unit: seals what goes up with a counter that is used once, opens what comes down.

Keys come from the master secret at boot and stay in memory. Only identical bytes may be sent twice: every call of
`seal` takes a fresh counter, and what it returned may be repeated by a transport, but never rebuilt.
"""

from protocols.wire import ccm, messages, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.ports.counters import Counters
    from firmware.ports.identity import Identity


class Sealer:
    """`sha256(data)` gives a digest, `ecb(key)` the AES-ECB encryption of whole blocks under a key.

    Attribute: `refused`, reasons of down frames that were refused and how often each.
    """

    def __init__(
        self,
        identity: "Identity",
        counters: "Counters",
        sha256: "Callable[[bytes], bytes]",
        ecb: "Callable[[bytes], Callable[[bytes], bytes]]",
    ) -> None:
        self._counters = counters
        self._sha256 = sha256
        self._ecb = ecb
        self._secret = identity.secret
        self._kid = seal.kid(identity.unit, identity.generation)
        self._down = ccm.Ccm(ecb(seal.derive(sha256, identity.secret, self._kid, seal.DOWN)[0]))
        self.refused: "dict[str, int]" = {}
        self._derive()

    def _derive(self) -> None:
        context = self._counters.context
        key, common_iv = seal.derive(self._sha256, self._secret, self._kid, seal.UP, context)
        up = ccm.Ccm(self._ecb(key))
        # The context last: memory may fail at any line above, and then the next frame must derive once more. A context
        # that went ahead of its key would seal with counters that the old key has used.
        self._up = up
        self._iv = common_iv
        self._context = context

    def seal(self, plaintext: bytes) -> bytes:
        """One frame, never the same twice."""
        counter = self._counters.take()
        if self._counters.context != self._context:
            self._derive()
        return seal.seal_up(self._up, self._iv, self._kid, counter, plaintext, self._context)

    def open(self, frame: bytes) -> "messages.Message | None":
        """The message of a genuine down frame. None, counted by reason, for anything else."""
        try:
            return messages.decode(seal.open_down(self._down, seal.parse(frame)))
        except (seal.SealError, messages.MessageError) as error:
            reason = error.reason
        self.refuse(reason)
        return None

    def refuse(self, reason: str) -> None:
        """Count a down frame that was refused."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
