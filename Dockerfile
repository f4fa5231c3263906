# meshroll with git and ssh, which it fetches and pushes with. Built from source by default;
# `--target released` takes the binaries of a release from image/<architecture>/.

FROM docker.io/library/rust:1.95-alpine3.22 AS build
RUN apk add --no-cache build-base
WORKDIR /source
COPY . .
RUN cargo build --release --locked

FROM docker.io/library/alpine:3.22 AS base
RUN apk add --no-cache ca-certificates git openssh-client-default \
    && adduser -D -u 65532 meshroll
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/meshroll"]

FROM base AS released
ARG TARGETARCH
COPY --chmod=0755 image/${TARGETARCH}/meshroll /usr/local/bin/meshroll

FROM base
COPY --from=build /source/target/release/meshroll /usr/local/bin/meshroll
