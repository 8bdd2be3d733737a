# The dashboard for a team, on processors alone: see docs/deploy.md.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE app.py ./
COPY .streamlit .streamlit
COPY docs docs
COPY pages pages
COPY ui ui
COPY wann_core wann_core
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
# Without torch ("app,map") the image is a tenth of the size; photos are then embedded elsewhere.
ARG EXTRAS=app,map,torch
# An index of CPU builds of torch, which are much smaller than the default ones.
ARG PIP_EXTRA_INDEX_URL=
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[$EXTRAS]" \
    && rm -r /wheels \
    && useradd --create-home --uid 10001 wann \
    && install --directory --owner=wann --group=wann /data
USER 10001
WORKDIR /data
# All that is kept lies in the volume: databases, reviews, compiled kernels, weights.
ENV XDG_DATA_HOME=/data \
    WANN_CACHE=/data/cache \
    NUMBA_CACHE_DIR=/data/cache/numba \
    HF_HOME=/data/cache/huggingface \
    WANN_ROOTS= \
    WANN_BASE_PATH=
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["sh", "-c", "python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:8501${WANN_BASE_PATH:+/$WANN_BASE_PATH}/_stcore/health', timeout=4)\""]
CMD ["sh", "-c", "exec wann app --headless --address 0.0.0.0 --port 8501 --base_path \"$WANN_BASE_PATH\""]
