#!/bin/sh
# Makes the gate's namespace where it does not exist. TEMPORAL_ADDRESS,
# TEMPORAL_NAMESPACE and RETENTION come from outside. The worker adds the search attributes.
set -eu

# The port opens a little before the server answers.
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

# A new namespace is known to every part of the server only some seconds later; a
# worker that asks before that ends with an error.
attempts=30
until temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; do
	attempts=$((attempts - 1))
	if [ "$attempts" -eq 0 ]; then
		echo "namespace $TEMPORAL_NAMESPACE was made and is not served" >&2
		exit 1
	fi
	sleep 1
done
