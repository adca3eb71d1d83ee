#!/bin/sh
# Makes the hashed requirement files anew; arguments go to pip-compile. The files name packages and hashes, never a host.
set -eu
cd "$(dirname "$0")"
for name in build run demo provision test node sbom lock; do
    pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
        --no-emit-trusted-host --no-emit-options --no-header --no-annotate "$@" --output-file "$name.txt" "$name.in"
done
