# What every chapter uses: sign in, send a request and check its status, look at headers and body.
set -u

fail() {
    echo "FAILED: $*" >&2
    echo "--- headers" >&2; cat headers >&2
    echo "--- body" >&2; head -c 1000 body >&2
    exit 1
}

# request STATUS METHOD PATH [CURL-ARGUMENT…]: PATH below the account, or a whole URL.
request() {
    local expected=$1 method=$2 path=$3 url status
    shift 3
    case $path in http*) url=$path ;; *) url=$STORAGE_URL$path ;; esac
    local how=(-X "$method")
    [ "$method" = HEAD ] && how=(-I)
    status=$(curl -sS --max-time 60 -o body -D headers -w '%{http_code}' "${how[@]}" "$url" -H "X-Auth-Token: $TOKEN" "$@")
    [ "$method" = HEAD ] && : >body
    echo "$method $path: $status"
    [ "$status" = "$expected" ] || fail "$method $path: $status instead of $expected"
}

# header NAME: the value that the last answer had.
header() {
    tr -d '\r' <headers | awk -v name="$1" 'BEGIN { IGNORECASE = 1 }
        { split($0, part, ": "); if (tolower(part[1]) == tolower(name)) { sub(/^[^:]*: */, ""); value = $0 } }
        END { print value }'
}

# has NAME VALUE: the last answer had just this header.
has() { [ "$(header "$1")" = "$2" ] || fail "$1 is '$(header "$1")' instead of '$2'"; }

# lacks NAME: the last answer had no such header.
lacks() { [ -z "$(header "$1")" ] || fail "$1 is '$(header "$1")', and should be missing"; }

# says TEXT: the last answer had just this body.
says() { printf '%s' "$1" | cmp -s - body || fail "the body is not '$1'"; }

# tells TEXT: the last answer's body has this text in it.
tells() { grep -qF -- "$1" body || fail "the body does not say '$1'"; }

md5() { printf '%s' "$1" | md5sum | cut -d' ' -f1; }

# eventually COMMAND…: until it succeeds, for a minute at most.
eventually() {
    local end=$((SECONDS + 60))
    until ("$@") 2>/dev/null; do
        [ $SECONDS -lt $end ] || { "$@"; return; }
        sleep 0.2
    done
}

sign_in() {
    STORAGE_URL= TOKEN=none
    request 200 GET "$AUTH_URL" -H "X-Auth-User: $AUTH_USER" -H "X-Auth-Key: $AUTH_KEY"
    TOKEN=$(header X-Auth-Token) STORAGE_URL=$(header X-Storage-Url)
    [ -n "$TOKEN" ] && [ -n "$STORAGE_URL" ] || fail "no token or no URL"
}
