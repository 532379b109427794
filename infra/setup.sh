#!/usr/bin/env bash
# Creates .venv in the project's root with everything that the other make targets need. Runs again only when a
# requirements file has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

files=(requirements.txt models/requirements.txt infra/requirements.txt tests/requirements.txt)
stamp=.venv/earshot-setup
wanted=$(cat "${files[@]}" infra/setup.sh | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

# Chalice takes Lambda's runtime from the interpreter that runs it, and the machine's python3 may be too old for today's
# numpy: so the version is chosen by name, 3.13 before 3.12, on the PATH or among pyenv's.
find_python() {
    local version candidate
    for version in 3.13 3.12; do
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python"$version" \
            /usr/local/bin/python"$version" /opt/homebrew/bin/python"$version"; do
            if "$candidate" -c 'import venv, sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    echo "setup: Earshot needs Python 3.13 (or 3.12) with venv. Install it, for example with your system's packages," >&2
    echo "       with pyenv (pyenv install 3.13) or uv (uv python install 3.13), and run the command again." >&2
    return 1
}

python=$(find_python)
echo "setup: creating .venv with $("$python" --version) (once; takes a minute or two)"
[ -x .venv/bin/python ] && .venv/bin/python -c "import sys; sys.exit(sys.version_info < (3, 12))" || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check $(printf -- '-r %s ' "${files[@]}")

# The page of `make run` is tested in a browser. Where that cannot be installed, that one test says what to do.
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing chromium for the page's test"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 ||
        echo "setup: chromium could not be installed; tests/infra/test_page.py needs it"
fi

echo "$wanted" >"$stamp"
echo "setup: done"
