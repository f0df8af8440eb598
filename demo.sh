#!/bin/sh
# Shows every kind of call, one request at a time, and checks each reply: first the calls that the
# oldest clients know, then detection in a series that is not stored, the life of models, and streams.
#
#   ./demo.sh                        against http://localhost:8080; if nothing answers there, builds
#                                    standalone and starts it on a temporary folder
#   URL=http://host:port ./demo.sh   against another platform
#   OUT=folder ./demo.sh             saves the plot in that folder instead of this one
#   ANOMALY_API_KEY=key ./demo.sh    with an API key, which needs all scopes
#
# Each run adds versions to sensor_01 ... sensor_05, machine_01 and machine_02, and begins and ends a
# stream. Aliases stay as they were, except that machine_01 ends without a champion. Needs curl, and cargo if there is something
# to build. Ends with 0 if every reply was as expected, else with 1 and the name of the step.
set -eu

url=${URL:-http://localhost:8080}
url=${url%/}
out=${OUT:-.}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
began=$(date +%s)
server=
step='start'
number=0

bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
    red=$(printf '\033[31m') green=$(printf '\033[32m')
fi

# --- a platform to talk to ------------------------------------------------------------------------

# Whether the server that was started here still runs.
running() {
    kill -0 "$server" 2>/dev/null
}

pause() {
    sleep 0.2 2>/dev/null || sleep 1
}

# Stops the server that was started here and removes the work folder, however the script ends.
clean_up() {
    status=$?
    trap - EXIT HUP INT TERM
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        patience=100
        while running && [ "$patience" -gt 0 ]; do
            pause
            patience=$((patience - 1))
        done
        kill -9 "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# In a file, because other users of this machine can see arguments.
(umask 077 && : >"$work/key")
[ -z "${ANOMALY_API_KEY:-}" ] || printf 'Authorization: Bearer %s\n' "$ANOMALY_API_KEY" >"$work/key"

# The status of GET $1; 000 if nothing answers.
status_of() {
    curl -s -o /dev/null -w '%{http_code}' --max-time 10 -H "@$work/key" "$url$1" || true
}

start_standalone() {
    case $url in
        http://localhost | http://127.0.0.1) port=80 ;;
        http://localhost:* | http://127.0.0.1:*) port=${url##*:} ;;
        *) fail "an answer from $url" 'none' ;;
    esac
    printf '%s\n' "Nothing answers at $url: building standalone and starting it there on a temporary folder."
    (cd "$here" && cargo build --release -p standalone)
    # cargo run becomes the program, so signals sent to this process reach it.
    (
        cd "$here"
        APP_HOST=127.0.0.1 APP_PORT=$port ADMIN_PORT=0 DATA_DIR=$work/data \
            exec cargo run --quiet --release -p standalone
    ) >"$work/log" 2>&1 &
    server=$!
}

# Waits up to a minute until $url takes requests.
wait_until_ready() {
    give_up=$(($(date +%s) + 60))
    until [ "$(status_of /readyz)" = 200 ]; do
        if [ -n "$server" ] && ! running; then
            tail -n 20 "$work/log" >&2
            fail 'standalone to run' 'it ended; its last words are above'
        fi
        [ "$(date +%s)" -lt "$give_up" ] || fail "200 from $url/readyz within a minute" "$(status_of /readyz)"
        pause
    done
}

# --- asking and checking --------------------------------------------------------------------------

# fail EXPECTED GOT
fail() {
    printf '%s\n' "${red}FAILED${plain} at step: $step" "  expected: $1" "  got:      $2" >&2
    exit 1
}

# step NAME
step() {
    step=$1
    number=$((number + 1))
    printf '\n%s\n' "$bold$number. $step$plain"
}

# call CURL-ARGUMENTS: sets $status and $type, and saves the reply in $work/reply.
call() {
    answer=$(curl -sS -H "@$work/key" -o "$work/reply" -w '%{http_code} %{content_type}' --max-time 60 "$@" 2>"$work/error") ||
        fail 'a reply' "$(cat "$work/error")"
    status=${answer%% *}
    type=${answer#* }
}

# Prints the file $1; sets $reply to its text, and $compact to that without blanks around members.
show() {
    case $type in
        image/*) reply="$type, $(($(wc -c <"$1"))) bytes" ;;
        *) reply=$(tr -d '\r\n' <"$1") ;;
    esac
    compact=$(printf '%s' "$reply" | sed 's/" *: */":/g; s/ *\([,}]\) */\1/g')
    printf '%s\n' "< $status $reply"
}

# request METHOD PATH [BODY]: sends and prints it; then as call and show.
request() {
    printf '%s\n' "$dim> $1 $2${3:+ $3}$plain"
    if [ $# -eq 3 ]; then
        set -- -X "$1" "$url$2" -H 'Content-Type: application/json' -d "$3"
    else
        set -- -X "$1" "$url$2"
    fi
    call "$@"
    show "$work/reply"
}

expect_status() {
    [ "$status" = "$1" ] || fail "status $1" "$status $reply"
}

# expect_member '"name":value': the reply has this member, last or followed by another.
expect_member() {
    case $compact in
        *"$1,"* | *"$1}"*) ;;
        *) fail "$1" "$reply" ;;
    esac
}

passed() {
    printf '%s\n' "${green}ok${plain}"
}

# expect_problem STATUS DETAIL: a refusal with this sentence, in the standard form.
expect_problem() {
    expect_status "$1"
    expect_member "\"detail\":\"$2\""
    expect_member "\"status\":$1"
    [ "${type%%;*}" = application/problem+json ] || fail 'a problem (application/problem+json)' "${type:-no content type}"
    case $compact in
        *'"code":"'[a-z]*) ;;
        *) fail 'a code' "$reply" ;;
    esac
    passed
}

# fit SERIES BODY: fits a version, and sets $version to its number.
fit() {
    request POST "/fit/$1" "$2"
    expect_status 200
    expect_member "\"series_id\":\"$1\""
    expect_member '"points_used":3'
    version=$(printf '%s' "$compact" | sed -n 's/.*"version":"v\([1-9][0-9]*\)".*/\1/p')
    [ -n "$version" ] || fail '"version":"v" and a number' "$reply"
}

# expect_verdict true|false: this is a verdict of the version that was fitted last.
expect_verdict() {
    expect_judged_by "$version"
    expect_member "\"anomaly\":$1"
    passed
}

# expect_judged_by NUMBER: this is a verdict of that version.
expect_judged_by() {
    expect_status 200
    expect_member "\"model_version\":\"v$1\""
}

# Prints $compact with a line for each member that is an object.
pretty() {
    printf '%s\n' "$compact" | sed -e 's/,"\([a-z]*_[a-z_]*\)":{/,\
  "\1": {/g' -e 's/,"throughput":{/,\
  "throughput": {/'
}

# --- the demonstration ----------------------------------------------------------------------------

case $(status_of /livez) in
    200) printf '%s\n' "Using the platform at $url." ;;
    000) start_standalone ;;
    *) fail "200 from $url/livez" "$(status_of /livez): something else answers there" ;;
esac
wait_until_ready
ready=$(date +%s)

train() {
    step "train $1"
    fit "$1" "{\"timestamps\": [1693459200, 1693459260, 1693459320], \"values\": [$2]}"
    # A platform that was just started has no versions yet.
    [ -z "$server" ] || [ "$version" -eq 1 ] || fail '"version":"v1"' "$reply"
    [ "$1" != sensor_01 ] || first=$version
    passed
}
train sensor_01 '10.0, 10.5, 11.0'
train sensor_02 '20.0, 20.5, 21.0'
train sensor_03 '30.0, 30.5, 31.0'
train sensor_04 '40.0, 41.0, 39.0'
train sensor_05 '50.0, 49.5, 50.5'

step 'refuse constant data'
request POST /fit/sensor_06 '{"timestamps": [1693459200, 1693459260, 1693459320], "values": [10.0, 10.0, 10.0]}'
expect_problem 400 'Insufficient or constant data'

step 'refuse empty data'
request POST /fit/sensor_07 '{"timestamps": [], "values": []}'
expect_problem 400 'Timestamps and values must be of same non-zero length'

step 'retrain sensor_01'
fit sensor_01 '{"timestamps": [1693460400, 1693460460, 1693460520], "values": [12.0, 12.5, 13.0]}'
[ "$version" -eq $((first + 1)) ] || fail "\"version\":\"v$((first + 1))\"" "$reply"
passed

# If somebody pinned a champion in sensor_01, it serves instead of the version that was just fitted:
# ask that version by name then.
predict=/predict/sensor_01
call "$url/v1/series/sensor_01"
case $(cat "$work/reply") in
    *'"name":"champion"'*)
        predict="$predict?version=v$version"
        printf '\n%s\n' "A champion is pinned in sensor_01 and goes on serving: the next steps ask v$version by name."
        ;;
esac

step 'predict a normal value'
request POST "$predict" '{"timestamp": 1693460000, "value": 10.5}'
expect_verdict false

step 'predict an anomalous value'
request POST "$predict" '{"timestamp": 1693460060, "value": 22.5}'
expect_verdict true

step 'refuse a timestamp that is text'
request POST /predict/sensor_01 '{"timestamp": "now", "value": 10.5}'
expect_problem 400 'Invalid request payload'

step 'refuse a series that was never trained'
request POST /predict/sensor_999 '{"timestamp": 1693461000, "value": 10.5}'
expect_problem 404 'Model not found'

step "plot version $version of sensor_01"
request GET "/plot?series_id=sensor_01&version=v$version"
expect_status 200
# A PNG's first 24 bytes: its signature, then a header chunk with width (0x320) and height (0x190).
head=$(od -An -tx1 -N24 "$work/reply" | tr -d ' \n')
[ "$head" = 89504e470d0a1a0a0000000d494844520000032000000190 ] || fail 'a PNG of 800x400' "a file that starts with $head"
picture=$out/plot_sensor_01_v$version.png
cp "$work/reply" "$picture" 2>"$work/error" || fail "to save $picture" "$(cat "$work/error")"
printf '%s\n' "saved $picture"
passed

step 'health check'
# Figures travel as events, so they arrive a moment after the requests that they count.
give_up=$(($(date +%s) + 15))
while :; do
    request GET /healthcheck >"$work/printed"
    expect_status 200
    trained=$(printf '%s' "$compact" | sed -n 's/.*"series_trained":\([0-9]*\)[,}].*/\1/p')
    [ -n "$trained" ] || fail '"series_trained" and a number' "$reply"
    case $compact in
        # The platform says itself that its figures are old.
        *'"status":"degraded"'*) break ;;
        *'"model_usage":{}'*) ;;
        *) [ "$trained" -lt 5 ] || break ;;
    esac
    [ "$(date +%s)" -lt "$give_up" ] || fail 'five series trained and some predictions within 15 s' "$reply"
    pause
done
printf '%s\n' "$dim> GET /healthcheck$plain" "< $status"
pretty
for member in inference_latency_ms training_latency_ms throughput model_usage system_metrics; do
    case $compact in
        *"\"$member\":{"*) ;;
        *) fail "\"$member\"" "$reply" ;;
    esac
done
passed

# --- newer calls ----------------------------------------------------------------------------------

# The body of a detection: 600 points, ten minutes apart, with a season of 48. Point 450 is 40 too
# high, point 530 is 40 too low.
seasonal_series() {
    awk 'BEGIN {
        for (i = 0; i < 600; i++) {
            value = 50 + 10 * sin(i * 8 * atan2(1, 1) / 48) + (i * 7919 % 101) / 101
            if (i == 450) value += 40
            if (i == 530) value -= 40
            comma = i ? ", " : ""
            timestamps = timestamps comma 1693459200 + 600 * i
            values = values comma sprintf("%.3f", value)
        }
        printf "{\"timestamps\": [%s], \"values\": [%s], \"train\": 240}", timestamps, values
    }'
}

# The peak of each episode of the summary in $compact, one per line. The alarm may come some points
# later.
peaks() {
    printf '%s' "$compact" | tr '{' '\n' | sed -n 's/^"began":.*"peak":\([0-9]*\),.*/\1/p'
}

# expect_episode NAME ROW: one episode has its peak at this row.
expect_episode() {
    time=$((1693459200 + 600 * $2))
    peaks | grep -qx "$time" || fail "an episode with the $1 at $time" "$(peaks | tr '\n' ';')"
}

step 'detect a spike and a drop in a seasonal series'
seasonal_series >"$work/series"
printf '%s\n' "$dim> POST /v1/detect {\"timestamps\": [600 of them], \"values\": [as many], \"train\": 240}$plain"
call "$url/v1/detect" -H 'Content-Type: application/json' -H 'Accept: application/x-ndjson' -d "@$work/series"
# A line for each of the 360 points that were judged, then the summary.
tail -n 1 "$work/reply" >"$work/summary"
show "$work/summary"
expect_status 200
lines=$(($(wc -l <"$work/reply")))
[ "$lines" -eq 361 ] || fail '361 lines' "$lines"
expect_member '"period":48'
expect_episode spike 450
expect_episode drop 530
found=$(peaks | grep -c '')
[ "$found" -eq 2 ] || fail 'two episodes' "$(peaks | tr '\n' ';')"
passed

# promote NUMBER: makes this version of machine_01 the champion.
promote() {
    request PUT /v1/series/machine_01/aliases/champion "{\"version\": \"v$1\"}"
    expect_status 200
    expect_member '"name":"champion"'
    expect_member "\"version\":\"v$1\""
}

step 'train two versions of machine_01 and promote the newer one'
fit machine_01 '{"timestamps": [1693459200, 1693459260, 1693459320], "values": [10.0, 10.5, 11.0]}'
older=$version
fit machine_01 '{"timestamps": [1693459200, 1693459260, 1693459320], "values": [20.0, 20.5, 21.0]}'
newer=$version
promote "$newer"
passed

ask='{"timestamp": 1693460000, "value": 15.0}'
step 'promote the older version: it serves at once'
promote "$older"
expect_member "\"previous\":\"v$newer\""
request POST /predict/machine_01 "$ask"
expect_judged_by "$older"
expect_member '"anomaly":true'
passed

step 'roll back: the newer version serves at once'
request POST /v1/series/machine_01/rollback '{}'
expect_status 200
expect_member "\"version\":\"v$newer\""
request POST /predict/machine_01 "$ask"
expect_judged_by "$newer"
expect_member '"anomaly":false'
passed

# The verdict in $compact, without the version.
words() {
    printf '%s' "$compact" | sed 's/"model_version":"v[0-9]*"//'
}

step 'export a model and import it as another series'
request GET "/v1/series/machine_01/models/v$older/export"
expect_status 200
expect_member '"anomaly_model":1'
cp "$work/reply" "$work/model.json"
printf '%s\n' "$dim> POST /v1/series/machine_02/models, with that as the body$plain"
call "$url/v1/series/machine_02/models" -H 'Content-Type: application/json' --data-binary "@$work/model.json"
show "$work/reply"
expect_status 201
expect_member '"series_id":"machine_02"'
imported=$(printf '%s' "$compact" | sed -n 's/.*"version":"v\([1-9][0-9]*\)".*/\1/p')
request POST "/predict/machine_01?version=v$older" "$ask"
expect_judged_by "$older"
original=$(words)
request POST "/predict/machine_02?version=v$imported" "$ask"
expect_judged_by "$imported"
[ "$(words)" = "$original" ] || fail "the same verdict as the original: $original" "$(words)"
passed

step 'unpin machine_01: its newest version serves again, and goes on doing so after the next fit'
request DELETE /v1/series/machine_01/aliases/champion
expect_status 204
request POST /predict/machine_01 "$ask"
expect_judged_by "$newer"
passed

# --- streams --------------------------------------------------------------------------------------

# A series of its own for each run, since the points of a stream only go forward in time.
stream=stream_$(date +%s)

# A point for each minute of two hours as arrays of JSON: 21 to 22 degrees.
two_hours() {
    awk 'BEGIN {
        for (i = 0; i < 120; i++) {
            comma = i ? ", " : ""
            timestamps = timestamps comma 1693459200 + 60 * i
            values = values comma sprintf("%.2f", 21.5 + (i * 7919 % 101) / 101 - 0.5)
        }
        printf "{\"timestamps\": [%s], \"values\": [%s]}", timestamps, values
    }'
}

step "observe two hours of $stream: each point is judged and learned"
two_hours >"$work/points"
printf '%s\n' "$dim> POST /observe/$stream {\"timestamps\": [120 of them], \"values\": [as many]}$plain"
call "$url/observe/$stream?wait_ms=10000" -H 'Content-Type: application/json' -d "@$work/points"
printf '%s\n' "< $status $(cut -c 1-200 "$work/reply")..."
reply=$(tr -d '\r\n' <"$work/reply") compact=$reply
expect_status 200
# The first two points have no verdict.
expect_member '"counts":{"judged":118,"learning":2}'
passed

outlier='{"timestamp": 1693466400, "value": 35.5}'
step 'observe an outlier: an alarm is raised'
request POST "/observe/$stream?wait_ms=10000" "$outlier"
expect_status 200
expect_member '"status":"judged"'
expect_member '"anomaly":true'
expect_member '"alarm":true'
expect_member '"direction":"above"'
verdict=${compact#*\"status\":\"judged\"}
passed

step 'observe the outlier again: the same verdict, and it is not learned twice'
request POST "/observe/$stream?wait_ms=10000" "$outlier"
expect_status 200
expect_member '"status":"duplicate"'
[ "${compact#*\"status\":\"duplicate\"}" = "$verdict" ] || fail "the same verdict: $verdict" "$reply"
passed

step 'ask for the anomalies of the stream: the outlier is the newest'
give_up=$(($(date +%s) + 15))
while :; do
    request GET "/v1/series/$stream/anomalies?limit=1" >"$work/printed"
    expect_status 200
    case $compact in
        *'"anomalies":[{'*'"peak":1693466400,'*) break ;;
    esac
    [ "$(date +%s)" -lt "$give_up" ] || fail 'an anomaly with "peak":1693466400 within 15 s' "$reply"
    pause
done
cat "$work/printed"
expect_member '"direction":"above"'
passed

step 'send points in bulk: they are durable, and judged soon'
printf '%s\n' "{\"series_id\": \"$stream\", \"timestamp\": 1693466460, \"value\": 21.4}" \
    "{\"series_id\": \"$stream\", \"timestamp\": 1693466520, \"value\": 21.6}" >"$work/lines"
printf '%s\n' "$dim> POST /v1/points, with a line for each of two points$plain"
call "$url/v1/points" -H 'Content-Type: application/x-ndjson' --data-binary "@$work/lines"
show "$work/reply"
expect_status 202
expect_member '"accepted":2'
give_up=$(($(date +%s) + 15))
while :; do
    request GET "/v1/series/$stream/stream" >"$work/printed"
    expect_status 200
    case $compact in
        *'"points":123,'*) break ;;
    esac
    [ "$(date +%s)" -lt "$give_up" ] || fail '"points":123 within 15 s' "$reply"
    pause
done
cat "$work/printed"
expect_member '"duplicate":1'
passed

step 'end the stream'
request DELETE "/v1/series/$stream/stream"
expect_status 204
passed

ended=$(date +%s)
printf '\n%s\n' "${green}All $number steps passed${plain} in $((ended - ready)) s; $((ended - began)) s with getting ready."
