{{- define "aneuflow.labels" -}}
app.kubernetes.io/name: aneuflow
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "aneuflow.selector" -}}
app.kubernetes.io/name: aneuflow
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "aneuflow.database" -}}
{{ if .Values.postgresql.enabled }}{{ .Release.Name }}-database{{ else }}{{ required "postgresql.host is needed where postgresql.enabled is false" .Values.postgresql.host }}{{ end }}
{{- end }}

{{- define "aneuflow.endpoint" -}}
{{ if .Values.objects.enabled }}http://{{ .Release.Name }}-s3:8333{{ else }}{{ .Values.objects.endpoint }}{{ end }}
{{- end }}

{{- define "aneuflow.image" -}}
image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* What API and workers have in common: settings, secrets, key and folder. */}}
{{- define "aneuflow.container" -}}
{{ include "aneuflow.image" . }}
envFrom:
  - configMapRef:
      name: {{ .Release.Name }}-settings
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: seal, mountPath: /etc/aneuflow, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "aneuflow.secrets" -}}
- name: POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .Values.secret }}, key: postgres_password}
- name: ANEUFLOW_DATABASE_URL
  value: postgresql+psycopg://{{ .Values.postgresql.user }}:$(POSTGRES_PASSWORD)@{{ include "aneuflow.database" . }}/aneuflow
- name: ANEUFLOW_PSEUDONYMS_URL
  value: postgresql+psycopg://{{ .Values.postgresql.user }}:$(POSTGRES_PASSWORD)@{{ include "aneuflow.database" . }}/pseudonyms
- name: ANEUFLOW_OBJECTS_SECRET
  valueFrom:
    secretKeyRef: {name: {{ .Values.secret }}, key: objects_secret}
{{- end }}

{{- define "aneuflow.token" -}}
- {name: RAY_AUTH_MODE, value: token}
- name: RAY_AUTH_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .Values.secret }}, key: ray_token}
{{- end }}

{{- define "aneuflow.user" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "aneuflow.pod" -}}
{{ include "aneuflow.user" . }}
volumes:
  - name: data
    persistentVolumeClaim:
      claimName: {{ .Release.Name }}-data
  - name: seal
    secret:
      secretName: {{ .Values.secret }}
      defaultMode: 0440
      items:
        - {key: seal.key, path: seal.key}
  - name: tmp
    emptyDir: {}
{{- end }}
