# docker build -t cfld .
# docker build -t cfld --build-arg BASE=pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime .
# docker run -p 7860:7860 -v "$PWD/models:/models" cfld app --host 0.0.0.0 --model /models/cfld
#
# A base that has torch keeps it. For another index of packages, such as that of torch's CPU builds, which are a tenth of
# the size: --build-arg PIP_EXTRA_INDEX_URL=URL
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}
ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /opt/cfld
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
# hadolint ignore=DL3013
RUN python -m pip install --no-cache-dir '.[app,study,metrics,pose]' && useradd --create-home --uid 10001 cfld
USER 10001
WORKDIR /home/cfld
EXPOSE 7860
ENTRYPOINT ["cfld"]
CMD ["--help"]
