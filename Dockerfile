# One image for every process of the gate: docker run … ingress, … worker.
FROM golang:1.26.8-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
ENV GOCACHE=/go/build-cache
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-X main.version=${VERSION}" -o /out/gate ./cmd/gate

# Alpine for its wget, which the health checks use; it brings the certificates of public CAs.
FROM alpine:3.23.4
COPY --from=build /out/gate /usr/local/bin/gate
# No such user exists in the image or, as a rule, on the host. It writes nowhere.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gate"]
CMD ["--help"]
EXPOSE 5000 9464
