# One image for every process of the gate: docker run … ingress, … worker, … desk. It only has the program and the
# certificates of public CAs, so an attacker finds no tools in it.
#
# Every build of the program gives the same bytes ('make reproducible' checks this). To get the same image too:
#   docker buildx build --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" --output type=image,rewrite-timestamp=true .
# The base image is pinned by release. If your registry keeps digests, add the digest.
FROM golang:1.26.8-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
ENV GOCACHE=/go/build-cache
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
# timetzdata compiles the time zones in, because the image has none and TZ needs them.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags "-X main.version=${VERSION}" -o /out/gate ./cmd/gate

FROM build AS build-dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-X main.version=${VERSION}" -o /out/gate-dev ./cmd/gate-dev

# The stand-in for InFlow, for the demo only: deploy/demo. Its health check is gate's.
FROM scratch AS gate-dev
COPY --from=build-dev /out/gate /out/gate-dev /usr/local/bin/
ENV HOME=/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gate-dev"]
EXPOSE 5010

# The last stage is the one that 'docker build .' makes.
FROM scratch AS gate
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/gate /usr/local/bin/gate
ENV HOME=/
# Usually no user on the host has this id. The process writes no files.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gate"]
CMD ["--help"]
EXPOSE 5000 5030 9464
