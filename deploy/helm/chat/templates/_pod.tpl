{{- /* A pod of this project: restricted, and without a word to the Kubernetes API. {root, name, config, image, bare} */}}
{{- define "chat.pod" -}}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  {{- with .config.fsGroup }}
  fsGroup: {{ . }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .config.volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "chat.container" -}}
name: chat
image: {{ .image }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop:
      - ALL
resources:
  {{- toYaml .config.resources | nindent 2 }}
envFrom:
  {{- if not .bare }}
  - configMapRef:
      name: chat-settings
  {{- end }}
  - secretRef:
      name: {{ include "chat.secrets" .root }}
env:
  - name: CHAT_INSTANCE
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- if .service }}
  - name: SERVICE
    value: {{ .service }}
  {{- end }}
  {{- range $name, $from := .root.Values.urls }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $from.secret }}
        key: {{ $from.key }}
  {{- end }}
  {{- with .config.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .config.volumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Why checkov's general advice doesn't hold here. */}}
{{- define "chat.exceptions" -}}
checkov.io/skip1: CKV_K8S_15=tags are never moved, so a node that has the image has the right one
checkov.io/skip2: CKV_K8S_35=settings are environment variables, secrets too; nothing else runs in the pod
checkov.io/skip3: CKV_K8S_43=the tag names the release; image.digest, or the overlay's images, pin it
{{- end }}

{{- /* What restarts a pod when its settings or secrets change: a checksum here, and Reloader's annotation where the Secret is another's. */}}
{{- define "chat.checksums" -}}
checksum/settings: {{ toJson .Values.settings | sha256sum }}
{{- with .Values.secrets.existing }}
checksum/secrets: {{ (lookup "v1" "Secret" $.Release.Namespace .).data | default dict | toJson | sha256sum }}
{{- else }}
checksum/secrets: {{ toJson .Values.secrets.values | sha256sum }}
{{- end }}
{{- end }}

{{- /* Spread over zones and nodes, each service by itself. */}}
{{- define "chat.spread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      app.kubernetes.io/part-of: chat
  # Counts only pods with the same values here: the same service, and the same revision of it.
  matchLabelKeys:
    - app.kubernetes.io/name
    - pod-template-hash
{{- end }}
{{- end }}
