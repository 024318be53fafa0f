# The runtime: pictures, folders, videos and the HTTP service. Not built by us; its steps are those of tests/packaging.
#   docker build -t portraitnet .
#   docker run --rm -v "$PWD:/data" portraitnet run portrait.jpg --out out.png
#   docker run --rm -p 127.0.0.1:8000:8000 portraitnet api --host 0.0.0.0
FROM python:3.12 AS wheel
# The full image has the compiler that the pixel kernels want.
WORKDIR /source
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
# What OpenCV needs of the system.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[api]" && rm -rf /wheels && useradd --create-home portraitnet
USER portraitnet
WORKDIR /data
ENTRYPOINT ["portraitnet"]
CMD ["--help"]
