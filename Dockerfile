# syntax=docker/dockerfile:1
# docker build -t flotilla .                                     Flotilla
# docker build -t neon-emulator --target neon-emulator .         the stand-in for Neon alone
# Both hold one program and what it is linked against, run as an ordinary user, and write nothing but to /tmp.

ARG RUST=1.95.0
ARG DEBIAN=bookworm

FROM node:22-${DEBIAN}-slim AS node

FROM rust:${RUST}-${DEBIAN} AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && \
    ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
WORKDIR /src
COPY . .
# What is downloaded and compiled stays in caches from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/root/.npm \
    --mount=type=cache,target=/src/.tools \
    --mount=type=cache,target=/src/node_modules \
    --mount=type=cache,target=/src/target \
    make build && install -D target/release/flotilla /out/flotilla

FROM rust:${RUST}-${DEBIAN} AS build-neon-emulator
ARG RUST
WORKDIR /src
COPY . .
# The compiler that the image has is enough: no other part of the toolchain is asked for.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=neon-emulator-target \
    RUSTUP_TOOLCHAIN=${RUST} cargo build --release --locked --package neon-emulator --bin neon-emulator && \
    install -D target/release/neon-emulator /out/neon-emulator

# No shell and no package manager; root certificates, and user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot AS neon-emulator
COPY --from=build-neon-emulator /out/neon-emulator /usr/local/bin/neon-emulator
COPY LICENSE /usr/share/doc/neon-emulator/LICENSE
ENV NEON_EMULATOR_LISTEN=0.0.0.0:8082 \
    NEON_EMULATOR_PROXY_LISTEN=0.0.0.0:5434
EXPOSE 8082 5434
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/neon-emulator", "--check"]
ENTRYPOINT ["/usr/local/bin/neon-emulator"]

FROM gcr.io/distroless/cc-debian12:nonroot AS flotilla
COPY --from=build /out/flotilla /usr/local/bin/flotilla
COPY LICENSE /usr/share/doc/flotilla/LICENSE
ENV FLOTILLA_LISTEN=0.0.0.0 \
    FLOTILLA_DATA_DIR=/tmp/flotilla
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/flotilla", "health"]
ENTRYPOINT ["/usr/local/bin/flotilla"]
CMD ["serve"]
