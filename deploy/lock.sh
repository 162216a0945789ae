#!/bin/sh
# Writes requirements.lock anew: every package pinned with its hashes, and no index address in it.
set -eu
cd "$(dirname "$0")/.."
grep -v '"relais-contracts",\|^relais-contracts' pyproject.toml >.lock-input.toml
mkdir -p .lock-input && mv .lock-input.toml .lock-input/pyproject.toml
uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
    --extra dev .lock-input/pyproject.toml --output-file requirements.lock
rm -r .lock-input
