{{/*
The environment of a process, as a map. Takes root, name and component. What is secret is a file
(see anomaly.secrets), and its setting ends in _FILE.
*/}}
{{- define "anomaly.env" -}}
{{- $v := .root.Values }}
{{- $c := .component }}
{{- $full := include "anomaly.fullname" .root }}
{{- if ne .name "init" }}
ADMIN_HOST: 0.0.0.0
{{- end }}
{{- if $c.port }}
APP_HOST: 0.0.0.0
SHUTDOWN_DELAY_SECONDS: {{ $v.shutdownDelaySeconds }}
{{- end }}
{{- if $c.public }}
{{- if $v.access.apiKeys.existingSecret }}
API_KEYS_FILE: /etc/anomaly/api-keys/{{ $v.access.apiKeys.key }}
{{- else }}
ALLOW_ANONYMOUS: {{ $v.access.allowAnonymous }}
{{- end }}
{{- if $v.tls.existingSecret }}
TLS_CERT_FILE: /etc/anomaly/tls/tls.crt
TLS_KEY_FILE: /etc/anomaly/tls/tls.key
{{- end }}
{{- end }}
{{- if $c.data }}
DATA_DIR: /data/anomaly
{{- end }}
{{- if eq .name "gateway" }}
TRAINER_URL: http://{{ $full }}-trainer:9000
PREDICTOR_URL: http://{{ $full }}-predictor:9000
OBSERVER_URL: http://{{ $full }}-observer:9000
{{- end }}
{{- if and $c.token $v.serviceToken.existingSecret }}
SERVICE_TOKEN_FILE: /etc/anomaly/service-token/{{ $v.serviceToken.key }}
{{- end }}
{{- if $c.notifies }}
{{- with $v.notifications }}
{{- with .webhookUrl }}
WEBHOOK_URL: {{ . }}
{{- end }}
{{- with .alertmanagerUrl }}
ALERTMANAGER_URL: {{ . }}
{{- end }}
{{- if .existingSecret }}
{{- with .webhookSecretKey }}
WEBHOOK_SECRET_FILE: /etc/anomaly/notifications/{{ . }}
{{- end }}
{{- with .slackUrlKey }}
SLACK_WEBHOOK_URL_FILE: /etc/anomaly/notifications/{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $c.kafka }}
{{- include "anomaly.env.kafka" $v.kafka }}
{{- end }}
{{- if $c.postgres }}
{{- include "anomaly.env.postgres" (dict "postgres" $v.postgres "role" $c.postgres) }}
{{- end }}
{{- if $c.redis }}
{{- include "anomaly.env.redis" (dict "redis" $v.redis "user" (index $v.redis $c.redis)) }}
{{- end }}
{{- if eq .name "init" }}
KAFKA_REPLICATION: {{ $v.kafka.replication }}
{{- if $v.postgres.roles.existingSecret }}
{{- range $role := list "writer" "reader" "observer" "notifier" }}
POSTGRES_{{ upper $role }}_PASSWORD_FILE: /etc/anomaly/postgres-roles/{{ $role }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "anomaly.env.kafka" }}
KAFKA_BROKERS: {{ .brokers }}
KAFKA_SECURITY_PROTOCOL: {{ .securityProtocol }}
{{- with .topicPrefix }}
KAFKA_TOPIC_PREFIX: {{ . }}
{{- end }}
{{- if hasPrefix "SASL_" .securityProtocol }}
KAFKA_SASL_MECHANISM: {{ .sasl.mechanism }}
KAFKA_SASL_USERNAME: {{ .sasl.username | quote }}
KAFKA_SASL_PASSWORD_FILE: /etc/anomaly/kafka-sasl/{{ .sasl.passwordKey }}
{{- end }}
{{- include "anomaly.env.tls" (dict "prefix" "KAFKA_SSL" "folder" "kafka-tls" "tls" .tls) }}
{{- end }}

{{- define "anomaly.env.postgres" }}
{{- $roles := and (ne .role "owner") .postgres.roles.existingSecret }}
{{- with .postgres }}
POSTGRES_HOST: {{ .host }}
POSTGRES_PORT: {{ .port }}
POSTGRES_DB: {{ .database | quote }}
POSTGRES_SSL_MODE: {{ .sslMode }}
{{- include "anomaly.env.tls" (dict "prefix" "POSTGRES_SSL" "folder" "postgres-tls" "tls" .tls) }}
{{- end }}
{{- if $roles }}
POSTGRES_USER: anomaly_{{ .role }}
POSTGRES_PASSWORD_FILE: /etc/anomaly/postgres-roles/{{ .role }}
{{- else }}
POSTGRES_USER: {{ .postgres.user | quote }}
{{- if .postgres.existingSecret }}
POSTGRES_PASSWORD_FILE: /etc/anomaly/postgres/{{ .postgres.passwordKey }}
{{- end }}
{{- end }}
{{- end }}

{{- define "anomaly.env.redis" }}
REDIS_HOST: {{ .redis.host }}
REDIS_PORT: {{ .redis.port }}
{{- with .redis.keyPrefix }}
REDIS_KEY_PREFIX: {{ . | quote }}
{{- end }}
{{- with .user.username }}
REDIS_USERNAME: {{ . | quote }}
{{- end }}
{{- if .redis.existingSecret }}
REDIS_PASSWORD_FILE: /etc/anomaly/redis/{{ .user.passwordKey }}
{{- end }}
{{- if .redis.tls.enabled }}
REDIS_TLS: true
{{- include "anomaly.env.tls" (dict "prefix" "REDIS_TLS" "folder" "redis-tls" "tls" .redis.tls) }}
{{- end }}
{{- end }}

{{- define "anomaly.env.tls" }}
{{- if .tls.existingSecret }}
{{- with .tls.caKey }}
{{ $.prefix }}_CA: /etc/anomaly/{{ $.folder }}/{{ . }}
{{- end }}
{{- with .tls.certificateKey }}
{{ $.prefix }}_CERTIFICATE: /etc/anomaly/{{ $.folder }}/{{ . }}
{{- end }}
{{- with .tls.privateKeyKey }}
{{ $.prefix }}_KEY: /etc/anomaly/{{ $.folder }}/{{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The secrets that are mounted into a process: folder below /etc/anomaly by its secret, and the keys of
it that the process may see, all of them where none is named.
*/}}
{{- define "anomaly.secrets" -}}
{{- $v := .root.Values }}
{{- $c := .component }}
{{- $found := dict }}
{{- if $c.public }}
{{- $_ := set $found "api-keys" (dict "secret" $v.access.apiKeys.existingSecret "keys" (list $v.access.apiKeys.key)) }}
{{- $_ := set $found "tls" (dict "secret" $v.tls.existingSecret "keys" (list "tls.crt" "tls.key")) }}
{{- end }}
{{- if $c.token }}
{{- $_ := set $found "service-token" (dict "secret" $v.serviceToken.existingSecret "keys" (list $v.serviceToken.key)) }}
{{- end }}
{{- if $c.notifies }}
{{- $_ := set $found "notifications" (dict "secret" $v.notifications.existingSecret "keys" (without (list $v.notifications.webhookSecretKey $v.notifications.slackUrlKey) "")) }}
{{- end }}
{{- if $c.kafka }}
{{- if hasPrefix "SASL_" $v.kafka.securityProtocol }}
{{- $_ := set $found "kafka-sasl" (dict "secret" $v.kafka.sasl.existingSecret "keys" (list $v.kafka.sasl.passwordKey)) }}
{{- end }}
{{- $_ := set $found "kafka-tls" (dict "secret" $v.kafka.tls.existingSecret) }}
{{- end }}
{{- if $c.postgres }}
{{- if eq $c.postgres "owner" }}
{{- $_ := set $found "postgres-roles" (dict "secret" $v.postgres.roles.existingSecret) }}
{{- else }}
{{- $_ := set $found "postgres-roles" (dict "secret" $v.postgres.roles.existingSecret "keys" (list $c.postgres)) }}
{{- end }}
{{- if or (eq $c.postgres "owner") (not $v.postgres.roles.existingSecret) }}
{{- $_ := set $found "postgres" (dict "secret" $v.postgres.existingSecret "keys" (list $v.postgres.passwordKey)) }}
{{- end }}
{{- $_ := set $found "postgres-tls" (dict "secret" $v.postgres.tls.existingSecret) }}
{{- end }}
{{- if $c.redis }}
{{- $_ := set $found "redis" (dict "secret" $v.redis.existingSecret "keys" (list (index $v.redis $c.redis).passwordKey)) }}
{{- $_ := set $found "redis-tls" (dict "secret" $v.redis.tls.existingSecret) }}
{{- end }}
{{- range $folder, $what := $found }}
{{- if $what.secret }}
{{ $folder }}: {{ $what | toJson }}
{{- end }}
{{- end }}
{{- end }}
