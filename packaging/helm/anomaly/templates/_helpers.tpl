{{- define "anomaly.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a pod is selected by. Takes the root and the name of the component. */}}
{{- define "anomaly.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "anomaly.labels" -}}
{{ include "anomaly.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The processes of this mode, and what each of them is connected to. */}}
{{- define "anomaly.components" -}}
{{- if eq .Values.mode "standalone" }}
standalone: { stateful: true, port: 8080, public: true, data: true, notifies: true }
{{- else }}
gateway: { port: 8080, public: true, token: true }
trainer: { port: 9000, token: true, kafka: true, postgres: writer, redis: viewer }
predictor: { port: 9000, token: true, kafka: true, postgres: reader, redis: viewer }
observer: { port: 9000, token: true, kafka: true, postgres: observer, stateful: true }
notifier: { kafka: true, postgres: notifier, notifies: true }
metrics-consumer: { kafka: true, redis: counter }
training-data-consumer: { kafka: true, postgres: writer }
{{- end }}
{{- end }}

{{/* The values of a component: metrics-consumer has metricsConsumer. */}}
{{- define "anomaly.values" -}}
{{ index .root.Values (.name | camelcase | untitle) | toYaml }}
{{- end }}

{{- define "anomaly.image" -}}
{{ .root.Values.image.name }}-{{ .name }}:{{ default .root.Chart.AppVersion .root.Values.image.tag }}
{{- end }}

{{/* A value of a setting as text: numbers in values are floating-point, and 1073741824 is to stay that. */}}
{{- define "anomaly.text" -}}
{{- if kindIs "float64" . }}
{{- if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{/* Mistakes that would leave pods which cannot start. */}}
{{- define "anomaly.check" -}}
{{- $access := .Values.access }}
{{- if not (or $access.allowAnonymous $access.apiKeys.existingSecret) }}
{{- fail "access.apiKeys.existingSecret is empty: name a secret with API keys, or set access.allowAnonymous=true if everyone who reaches the port may do everything" }}
{{- end }}
{{- if eq .Values.mode "distributed" }}
{{- if not (and .Values.kafka.brokers .Values.postgres.host .Values.redis.host) }}
{{- fail "mode=distributed needs kafka.brokers, postgres.host and redis.host" }}
{{- end }}
{{- end }}
{{- end }}
