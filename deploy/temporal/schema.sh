#!/bin/sh
# Makes and upgrades the tables of Temporal's two databases, as its version of
# temporal-sql-tool wants them. Each step does nothing where it has been done.
# SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD_FILE and SQL_PLUGIN come from outside.
set -eu

SQL_PASSWORD=$(cat "$SQL_PASSWORD_FILE")
export SQL_PASSWORD

schema() {
	database=$1 tables=$2
	temporal-sql-tool --db "$database" setup-schema -v 0.0
	temporal-sql-tool --db "$database" update-schema --schema-name "postgresql/v12/$tables"
}

schema temporal temporal
schema temporal_visibility visibility
