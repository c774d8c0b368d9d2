#!/bin/sh
# Makes and upgrades the tables of Temporal's two databases. Each step does nothing
# where it has been done. SQL_HOST, SQL_PORT, SQL_USER and SQL_PLUGIN come from outside.
set -eu

SQL_PASSWORD=$(cat /run/secrets/postgres_password)
export SQL_PASSWORD

schema() {
	database=$1 folder=/etc/temporal/schema/postgresql/v12/$2/versioned
	temporal-sql-tool --db "$database" setup-schema -v 0.0
	temporal-sql-tool --db "$database" update-schema -d "$folder"
}

schema temporal temporal
schema temporal_visibility visibility
