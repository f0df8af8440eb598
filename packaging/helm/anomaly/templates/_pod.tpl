{{/* The pod of a process, from `spec` on. Takes root, name, component and values. */}}
{{- define "anomaly.pod" -}}
{{- $root := .root }}
{{- $v := .root.Values }}
{{- $c := .component }}
{{- $values := .values }}
{{- $secrets := include "anomaly.secrets" . | fromYaml }}
{{- $env := include "anomaly.env" . | fromYaml }}
{{- $env := mergeOverwrite $env (deepCopy $v.settings) (deepCopy (default dict $values.settings)) }}
# Kubernetes would set REDIS_PORT=tcp://… beside a service named redis.
enableServiceLinks: false
automountServiceAccountToken: false
{{- with $v.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
# The shutdown delay, at most 20 s for what is in flight, and some to spare.
terminationGracePeriodSeconds: {{ add $v.shutdownDelaySeconds 25 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
containers:
  - name: {{ .name }}
    image: {{ include "anomaly.image" . }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: { drop: [ALL] }
    env:
      {{- range $name, $value := $env }}
      - { name: {{ $name }}, value: {{ include "anomaly.text" $value | quote }} }
      {{- end }}
      {{- if and (eq .name "observer") (not (hasKey $env "OBSERVER_ID")) }}
      # With a name it has its partitions back at once after a restart.
      - name: OBSERVER_ID
        valueFrom: { fieldRef: { fieldPath: metadata.name } }
      {{- end }}
    {{- if ne .name "init" }}
    ports:
      {{- with $c.port }}
      - { name: http, containerPort: {{ . }} }
      {{- end }}
      - { name: admin, containerPort: 9090 }
    # The start includes the migration of standalone's database.
    startupProbe:
      httpGet: { path: /livez, port: admin }
      periodSeconds: 2
      failureThreshold: 150
    livenessProbe:
      httpGet: { path: /livez, port: admin }
      periodSeconds: 10
      timeoutSeconds: 3
      failureThreshold: 6
    readinessProbe:
      httpGet: { path: /readyz, port: admin }
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    {{- end }}
    resources: {{- toYaml $values.resources | nindent 6 }}
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      {{- if $c.data }}
      - { name: data, mountPath: /data }
      {{- end }}
      {{- range $folder, $_ := $secrets }}
      - { name: {{ $folder }}, mountPath: /etc/anomaly/{{ $folder }}, readOnly: true }
      {{- end }}
      {{- with $values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: { sizeLimit: 64Mi }
  {{- if and $c.data (not $values.persistence.enabled) }}
  - name: data
    emptyDir: {}
  {{- end }}
  {{- range $folder, $what := $secrets }}
  - name: {{ $folder }}
    secret:
      secretName: {{ $what.secret }}
      defaultMode: 0440
      {{- with $what.keys }}
      items:
        {{- range . }}
        - { key: {{ . }}, path: {{ . }} }
        {{- end }}
      {{- end }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $v.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not (or $c.data (eq .name "init")) }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "anomaly.selector" . | nindent 8 }}
{{- end }}
{{- end }}
