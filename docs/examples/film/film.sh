#!/bin/sh
# A recording in, captions and a film without pauses out. Needs curl and jq, AUTEUR_URL and AUTEUR_TOKEN.
set -eu
file=$1
film=$2

# --8<-- [start:client]
ask() {
  curl --silent --show-error --fail-with-body "$@" \
    -H "Authorization: Bearer $AUTEUR_TOKEN" -H "Content-Type: application/json"
}
# --8<-- [end:client]

# --8<-- [start:project]
project=$(ask "$AUTEUR_URL/projects" -d '{"name": "My film"}' | jq -r .id)
# --8<-- [end:project]

# --8<-- [start:upload]
upload=$(ask "$AUTEUR_URL/projects/$project/media/upload-url" -d "$(
  jq -n --arg name "$(basename "$file")" --argjson size "$(wc -c < "$file")" \
    '{filename: $name, content_type: "video/mp4", size_bytes: $size}'
)")
media=$(echo "$upload" | jq -r .media_id)
echo "$upload" | jq -r '.headers | to_entries[] | "\(.key): \(.value)"' |
  curl --silent --fail-with-body -T "$file" -H @- "$(echo "$upload" | jq -r .upload_url)"
confirm="$AUTEUR_URL/projects/$project/media/$media/confirm"
until
  confirmed=$(ask "$confirm" -d '{}') || { echo "$confirmed" >&2; exit 1; } # the file was refused
  [ "$(echo "$confirmed" | jq -r .media.status)" = ready ]
do
  sleep 1
done
# --8<-- [end:upload]

# --8<-- [start:estimate]
body=$(jq -n --arg media "$media" '{media_id: $media, language: "en"}')
quote=$(ask "$AUTEUR_URL/jobs/transcription/estimate" -d "$body")
echo "$quote" | jq .credits
# --8<-- [end:estimate]

# --8<-- [start:wait]
# The job, when it has ended.
wait_for() {
  until
    job=$(ask --retry 5 "$AUTEUR_URL/jobs/$1") || { echo "$job" >&2; exit 1; }
    echo "$job" | jq --exit-status '.completed_at' > /dev/null
  do
    sleep 1
  done
  echo "$job"
}
# --8<-- [end:wait]

# --8<-- [start:transcribe]
# Asked again with the same key, it makes no second job.
job=$(ask "$AUTEUR_URL/jobs/transcription" -H "Idempotency-Key: transcribe-$media" -d "$body")
job=$(wait_for "$(echo "$job" | jq -r .job_id)")
echo "$job" | jq '{status, error}'
# --8<-- [end:transcribe]

# --8<-- [start:captions]
ask "$AUTEUR_URL/projects/$project/transcript.srt"
# --8<-- [end:captions]

# --8<-- [start:cut]
version=$(ask "$AUTEUR_URL/projects/$project/edl" | jq .version)
length=$(ask "$AUTEUR_URL/media/$media" | jq .duration_ms)
ask -X PATCH "$AUTEUR_URL/projects/$project/edl" -H "If-Match: \"$version\"" -d '{"operations": [
  {"op": "add_track", "track_id": "v1", "type": "video", "name": "Video 1"},
  {"op": "add_clip", "track_id": "v1", "media_file_id": "'"$media"'",
   "start_ms": 0, "in_point_ms": 0, "out_point_ms": '"$length"'},
  {"op": "cut_fillers"},
  {"op": "cut_silences", "threshold_ms": 500}
]}' | jq '{version, duration_ms, removed}'
# --8<-- [end:cut]

# --8<-- [start:render]
job=$(ask "$AUTEUR_URL/jobs/render" -d '{"project_id": "'"$project"'", "proxy": true}')
done=$(wait_for "$(echo "$job" | jq -r .job_id)")
curl --silent --fail-with-body -o "$film" \
  "$(echo "$done" | jq -r '.output_data.media[0].download_url')"
# --8<-- [end:render]
