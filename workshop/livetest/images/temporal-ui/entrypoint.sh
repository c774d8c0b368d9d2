#!/bin/sh
set -eu
mkdir -p /tmp/config
cat >/tmp/config/docker.yaml <<END
temporalGrpcAddress: $TEMPORAL_ADDRESS
defaultNamespace: $TEMPORAL_DEFAULT_NAMESPACE
host: 0.0.0.0
port: 8080
enableUi: true
END
exec temporal-ui --root /tmp --config config --env docker start
