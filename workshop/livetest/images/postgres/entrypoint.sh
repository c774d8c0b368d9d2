#!/bin/bash
# Like the official image: the first start fills the volume with a server that only the socket reaches.
set -euo pipefail
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /run/postgresql
	chown -R postgres "$PGDATA" /run/postgresql
	exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	pg_ctl start --wait --options "-c listen_addresses=''"
	createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
	for script in /docker-entrypoint-initdb.d/*.sql; do
		psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set ON_ERROR_STOP=1 --file "$script"
	done
	sleep 12 # a slow disk: long enough for two of the health checks, which must not take this server for the real one
	pg_ctl stop --wait --mode fast
fi
exec postgres -c "listen_addresses=*"
