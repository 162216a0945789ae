#!/bin/sh
# Finds the Chromium that the browser tests drive, or installs one: Debian's package where apt-get may, else Playwright's own.
# Prints where it is. RELAIS_CHROMIUM names one to use instead.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON_OF_VENV:-.venv/bin/python}

find_chromium() {
    for candidate in "${RELAIS_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [ -n "$candidate" ] && command -v "$candidate"; then
            return 0
        fi
    done
    own=$("$python" -c 'from playwright.sync_api import sync_playwright as p
with p() as playwright: print(playwright.chromium.executable_path)' 2>/dev/null) || return 1
    [ -x "$own" ] && echo "$own"
}

install_package() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] && sudo= || sudo="sudo -n"
    $sudo apt-get update -qq >&2 || true # An old list may still do.
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2
}

find_chromium && exit 0
echo "Installing Chromium for the browser tests…" >&2
install_package || "$python" -m playwright install --with-deps chromium >&2 || true
find_chromium && exit 0
echo "No Chromium: neither apt-get nor Playwright could install one. Install it by hand, or set RELAIS_CHROMIUM to its path." >&2
exit 1
