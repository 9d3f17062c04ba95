# One image for every service; SERVICE chooses which one runs:
#   gateway | messaging | presence | notifier | media | admin | webhooks                     docker build --target runtime .
# The migrations, whose libraries no service needs:               docker build --target migrations .
#   devserver (development only, with the web files)              docker build --target dev .
# The operator's tool, which no service needs:                    docker build --target chatctl .
# checkov:skip=CKV_DOCKER_7:the tag stands in the argument
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS packages
WORKDIR /build
COPY deploy/image/*.lock ./
# Exact versions, whose hashes pip checks (`make lock`). The project itself stays out of site-packages.
RUN python -m venv --without-pip /venv \
 && pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes --requirement services.lock

FROM packages AS migrations-packages
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes --requirement migrations.lock

FROM packages AS chatctl-packages
COPY clients/python clients/python
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes --requirement chatctl.lock \
 && pip --python /venv/bin/python install --no-cache-dir --no-deps ./clients/python

# Code and user, without packages: each image below takes those that it needs, once.
FROM ${BASE_IMAGE} AS code
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHAT_HTTP_HOST=0.0.0.0 \
    CHAT_HTTP_PORT=8000
# The venv needs the interpreter only: no installer is left in what runs.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
 && groupadd --system --gid 10001 chat \
 && useradd --system --uid 10001 --gid chat --home-dir /app --no-create-home --shell /usr/sbin/nologin chat
# Where uploads lie when they don't go to a bucket.
RUN install --directory --owner=chat --group=chat /var/lib/chat/uploads
WORKDIR /app
COPY deploy/image/entrypoint.sh /usr/local/bin/entrypoint
COPY deploy/image/healthcheck.py /usr/local/lib/healthcheck.py
# Services read the names of the revisions only: what their database must have.
COPY migrations migrations
COPY shared shared
COPY services services
# Messaging serves them.
COPY docs/api/openapi.json docs/api/asyncapi.json docs/api/
# The root is read-only where it runs, so the bytecode is made here.
RUN python -m compileall -q /app
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["entrypoint"]

FROM code AS runtime
COPY --from=packages /venv /venv
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-S", "/usr/local/lib/healthcheck.py"]

FROM runtime AS dev
USER 0
COPY tools tools
COPY examples/web examples/web
COPY clients/javascript clients/javascript
COPY docs/api docs/api
RUN python -m compileall -q tools
USER 10001:10001
ENV SERVICE=devserver

FROM code AS migrations
COPY --from=migrations-packages /venv /venv
ENV SERVICE=migrations

FROM code AS chatctl
COPY --from=chatctl-packages /venv /venv
USER 0
COPY tools tools
RUN python -m compileall -q tools
USER 10001:10001
ENTRYPOINT ["python", "-m", "tools.chatctl"]

# The default target is what runs in production.
FROM runtime
