#!/bin/sh
# Creates the gate's namespace if it does not exist. Set TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and RETENTION. The worker
# adds the search attributes.
set -eu

# The port opens shortly before the server answers.
attempts=30
until temporal operator cluster health >/dev/null 2>&1; do
	attempts=$((attempts - 1))
	if [ "$attempts" -eq 0 ]; then
		echo "Temporal at $TEMPORAL_ADDRESS does not answer" >&2
		exit 1
	fi
	sleep 2
done

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
	echo "namespace $TEMPORAL_NAMESPACE exists"
else
	temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi

# It takes some seconds until every part of the server knows a new namespace. A worker that starts earlier exits with
# an error.
attempts=30
until temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; do
	attempts=$((attempts - 1))
	if [ "$attempts" -eq 0 ]; then
		echo "namespace $TEMPORAL_NAMESPACE was made and is not served" >&2
		exit 1
	fi
	sleep 1
done
