# One image for every process of the gate: docker run … ingress, … worker, … desk. It holds the
# program and the certificates of public CAs, and nothing to get a foothold with.
#
# The program is the same, byte for byte, whoever builds it ('make reproducible' shows it), and with
#   docker buildx build --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" --output type=image,rewrite-timestamp=true .
# the image too. The base is named by its release; where your registry keeps digests, add this one's.
FROM golang:1.26.8-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
ENV GOCACHE=/go/build-cache
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
# timetzdata: the image has no time zones of its own, and TZ should mean something.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags "-X main.version=${VERSION}" -o /out/gate ./cmd/gate

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/gate /usr/local/bin/gate
ENV HOME=/
# No such user exists on the host, as a rule. It writes nowhere.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gate"]
CMD ["--help"]
EXPOSE 5000 5030 9464
