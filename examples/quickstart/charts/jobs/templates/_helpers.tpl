{{- define "jobs.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The spec of a pod that runs one line of shell: (dict "root" . "script" "echo hello") */}}
{{- define "jobs.pod" -}}
restartPolicy: Never
securityContext:
  runAsNonRoot: true
  runAsUser: 65534
  seccompProfile: { type: RuntimeDefault }
containers:
  - name: run
    image: {{ .root.Values.image | quote }}
    command: [sh, -c, {{ .script | quote }}]
    env:
      - { name: TARGET, value: {{ .root.Values.target | quote }} }
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: { drop: [ALL] }
{{- end }}
