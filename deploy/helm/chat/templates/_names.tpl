{{- define "chat.image" -}}
{{- $image := .root.Values.image -}}
{{ .repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ with ternary .digest $image.digest (.other | default false) }}@{{ . }}{{ end }}
{{- end }}

{{- /* Labels of every object. */}}
{{- define "chat.labels" -}}
app.kubernetes.io/part-of: chat
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "chat.secrets" -}}
{{ .Values.secrets.existing | default "chat-secrets" }}
{{- end }}

{{- /* One policy's egress rules, from a list of {to, ports}. */}}
{{- define "chat.egress" -}}
{{- range . }}
- ports:
  {{- range .ports }}
    - port: {{ . }}
  {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* The paths of the contract, each with the service that owns it; /healthz, /readyz and /metrics are on none of them. */}}
{{- define "chat.routes" -}}
gateway: {Exact: [/chat/ws]}
messaging: {Prefix: [/chat/conversations, /chat/users], Exact: [/chat/unread, /chat/blocks, /chat/reports, /openapi.json, /asyncapi.json]}
presence: {Prefix: [/chat/follows], Exact: [/chat/friends, /chat/presence]}
notifier: {Prefix: [/chat/push], Exact: [/chat/users/me/settings]}
media: {Prefix: [/chat/uploads, /chat/media]}
{{- end }}
