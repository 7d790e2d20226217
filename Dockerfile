# The service in a container: docker compose up (see compose.yaml and docs/howto-service.md).
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 limner && install -d -o limner /data
WORKDIR /limner
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src

# torch first, so that the pinned build is taken whatever else asks for it.
RUN pip install --no-cache-dir -c constraints.txt torch==2.13.0 \
    && pip install --no-cache-dir -c constraints.txt '.[service]'

USER limner
ENV LIMNER_DATA=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=120s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000/health')"]

# Inside the container every address is public, so the service starts only when there is a key.
CMD ["limner", "serve", "--host", "0.0.0.0"]
