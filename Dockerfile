# The runtime: pictures, folders and videos. Not built by us; its steps are those of tests/packaging.
#   docker build -t portraitnet .
#   docker run --rm -v "$PWD:/data" portraitnet run portrait.jpg --out out.png
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
# What opencv-python needs of the system, and what pip needs for nothing else.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -rf /wheels && useradd --create-home portraitnet
USER portraitnet
WORKDIR /data
ENTRYPOINT ["portraitnet"]
CMD ["--help"]
