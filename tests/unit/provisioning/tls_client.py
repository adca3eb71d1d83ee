# Runs on MicroPython: one TLS handshake as a unit makes it, then an echo. Prints what came back, or why not.
# Arguments: port, server name, CA, then certificate and key (left out: shows none). All files are DER.
import socket
import sys

import tls


def read(path):
    with open(path, "rb") as file:
        return file.read()


context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
context.load_verify_locations(read(sys.argv[3]))
if len(sys.argv) > 4:
    context.load_cert_chain(read(sys.argv[4]), read(sys.argv[5]))
raw = socket.socket()
raw.connect(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
try:
    stream = context.wrap_socket(raw, server_hostname=sys.argv[2])
    stream.write(b"press\n")
    answer = stream.readline()
    print("answer", answer.decode() if answer else "nothing")
except (OSError, ValueError) as error:
    print("refused", error)
