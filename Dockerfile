# syntax=docker/dockerfile:1
# One image a service: `docker build --build-arg SERVICE=gateway .`
# All of them share the build stage; crates and what was compiled last time stay in cache mounts.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Shown by `anomaly_build_info`.
ARG BUILD_COMMIT=
# Traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT says where to.
ARG FEATURES=otlp
RUN --mount=type=cache,id=anomaly-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=anomaly-target,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --bins --features "$FEATURES" \
    && mkdir /out /data \
    && for bin in gateway trainer predictor observer notifier metrics-consumer training-data-consumer init standalone anomaly; do \
         cp "target/dist/$bin" /out/; \
       done

FROM gcr.io/distroless/cc-debian12:nonroot
ARG SERVICE
COPY --from=build /out/${SERVICE} /usr/local/bin/service
# For health checks: `anomaly ready`.
COPY --from=build /out/anomaly /usr/local/bin/anomaly
# The data of standalone. A named volume takes the owner of this folder, who is the user of the image.
COPY --from=build --chown=65532:65532 /data /data
ENV APP_HOST=0.0.0.0 DATA_DIR=/data
# Load balancers and proxies go on sending requests for a moment after SIGTERM.
ENV SHUTDOWN_DELAY_SECONDS=5
VOLUME /data
ENTRYPOINT ["/usr/local/bin/service"]
