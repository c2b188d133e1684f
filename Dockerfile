# One server over streamable HTTP. The data lies in /data; a bind beyond loopback needs tokens.
#   docker build -t pagefault .
#   docker run --rm pagefault pagefault token me > tokens     # keep the token, mount the line
#   docker run -p 8081:8081 -v pagefault:/data -v ./tokens:/run/secrets/tokens:ro pagefault
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY resources resources
RUN pip install --no-cache-dir --prefix=/install . && python -m compileall -q /install

FROM python:3.12-slim
COPY --from=build /install /usr/local
RUN useradd --create-home --uid 10001 pagefault && install -d -o pagefault -g pagefault /data
USER pagefault
ENV PAGEFAULT_STORE=sqlite:////data/memory.db XDG_DATA_HOME=/data \
    PORT=8081 TOKEN_FILE=/run/secrets/tokens
VOLUME /data
EXPOSE 8081
HEALTHCHECK CMD python -c "import os,urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=3)"
CMD ["sh", "-c", "exec pagefault serve --http --host 0.0.0.0 --port \"$PORT\" --token-file \"$TOKEN_FILE\""]
