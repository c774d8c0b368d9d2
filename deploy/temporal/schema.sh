#!/bin/sh
# Creates and upgrades the tables of Temporal's two databases for the installed version of temporal-sql-tool. You can
# run it again: a step that is done does nothing. Set SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD_FILE and SQL_PLUGIN.
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
