"""What the codec costs on this engine: `python measure.py`, or `micropython -X heapsize=100wK measure.py`.

Prints microseconds per call and, where the engine can tell, bytes of heap that one call leaves behind. A measurement,
no test: pytest and the runner do not collect it.
"""

import gc
import time

import golden
from primitives import ecb, sha256

from protocols.wire import messages, seal
from protocols.wire.ccm import Ccm

ROUNDS = 300
TURNS = 5


def ticks():
    """Return microseconds since some moment."""
    return time.ticks_us() if hasattr(time, "ticks_us") else time.perf_counter_ns() // 1000


def cost(name, function):
    """Print the least mean time of several turns, which other load on the machine disturbs least."""
    best = None
    for _ in range(TURNS):
        start = ticks()
        for _ in range(ROUNDS):
            function()
        spent = ticks() - start
        best = spent if best is None or spent < best else best
    garbage = ""
    if hasattr(gc, "mem_alloc"):
        gc.collect()
        before = gc.mem_alloc()
        function()
        garbage = "  %5d bytes of garbage" % (gc.mem_alloc() - before)
    print("%-24s %6d.%d us%s" % (name, best // ROUNDS, best * 10 // ROUNDS % 10, garbage))


def main():
    """Measure one alarm, one full status and one receipt through every layer."""
    kid = seal.kid(golden.UNIT, golden.GENERATION)
    up_key, common_iv = seal.derive(sha256, golden.SECRET, kid, seal.UP)
    down_key, _ = seal.derive(sha256, golden.SECRET, kid, seal.DOWN)
    up, down = Ccm(ecb(up_key)), Ccm(ecb(down_key))
    cost("derive keys of one way", lambda: seal.derive(sha256, golden.SECRET, kid, seal.UP))
    for name, case in (("alarm", "manual"), ("heartbeat", "full_status"), ("receipt", "stored")):
        message = golden.MESSAGES[name][case]
        plain = message.encode()
        cost(name + " encode", message.encode)
        cost(name + " decode", lambda plain=plain: messages.decode(plain))
        if golden.is_down(name):
            frame = seal.seal_down(down, golden.IV, plain)
            cost(name + " seal", lambda plain=plain: seal.seal_down(down, golden.IV, plain))
            cost(name + " parse", lambda frame=frame: seal.parse(frame))
            cost(name + " parse and open", lambda frame=frame: seal.open_down(down, seal.parse(frame)))
        else:
            frame = seal.seal_up(up, common_iv, kid, 1000, plain)
            cost(name + " seal", lambda plain=plain: seal.seal_up(up, common_iv, kid, 1000, plain))
            cost(name + " parse", lambda frame=frame: seal.parse(frame))
            cost(name + " parse and open", lambda frame=frame: seal.open_up(up, common_iv, seal.parse(frame)))


if __name__ == "__main__":
    main()
