{{- /* Deployment, Service and account of one service. {root, name, config, image} */}}
{{- define "chat.service" -}}
{{- with .config.about }}
# {{ . }}
{{- end }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "chat.labels" .root | nindent 4 }}
    # deploy/k8s/rollout.sh applies these last.
    after: migrations
  annotations:
    {{- include "chat.exceptions" .root | nindent 4 }}
    # Reloader (stakater/Reloader), where it runs, restarts the pods one by one when a ConfigMap or Secret of theirs changes.
    reloader.stakater.com/auto: "true"
spec:
  {{- if not (and .root.Values.autoscaling.enabled .config.autoscaling) }}
  replicas: {{ .config.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ .name }}
        app.kubernetes.io/part-of: chat
      {{- with include "chat.checksums" .root }}
      annotations:
        {{- . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "chat.pod" . | nindent 6 }}
      # The sum of preStop, CHAT_DRAIN_SECONDS, 15 s for outstanding answers, CHAT_SHUTDOWN_SECONDS, and a margin.
      terminationGracePeriodSeconds: 60
      topologySpreadConstraints:
        {{- include "chat.spread" .root | nindent 8 }}
      containers:
        - {{- include "chat.container" (merge (dict "service" .name) .) | nindent 10 }}
          ports:
            - name: http
              containerPort: 8000
          startupProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 2
            failureThreshold: 30
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 10
            timeoutSeconds: 3
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          lifecycle:
            preStop:
              # The pod accepts connections until every proxy knows that it is leaving.
              sleep: {seconds: 5}
---
{{- if ne .config.called false }}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels:
    {{- include "chat.labels" .root | nindent 4 }}
spec:
  selector:
    app.kubernetes.io/name: {{ .name }}
  ports:
    - {name: http, port: 80, targetPort: http}
---
{{- end }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- include "chat.labels" .root | nindent 4 }}
automountServiceAccountToken: false
{{- end }}
