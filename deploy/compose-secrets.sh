#!/bin/sh
# Make the secrets of docker-compose.yml, each in a file of its own; what is already there is kept.
#
#   sh deploy/compose-secrets.sh [FOLDER]
#
# Containers read the files under other user ids, so the files are readable and the folder, which
# containers never see, is closed to all but its owner. With Supabase, replace supabase_jwt_secret
# by the project's own, or empty it where SUPABASE_JWKS_URL is set. With INFERENCE_BACKEND=modal,
# replace modal_token_id and modal_token_secret by those of a service user. With stores kept
# elsewhere, replace database_url, migration_database_url, redis_url and mongodb_uri; with
# STORAGE_BACKEND=s3, the two s3_ files; with SCHEMA_REGISTRY_URL, the two schema_registry_ files,
# which are empty where it asks for no key. streams_redis_url is empty where streams go to the Redis
# of the queues, database_replica_url without a standby, kafka_password where they do not go to Kafka. Of four
# secrets there is a file more, _fallbacks, for the one before while it rotates (docs/secrets.md).
# stripe_secret_key and stripe_webhook_secrets are empty where nothing is sold (docs/billing.md).
# flower_login is the name and password that Flower asks for.
set -eu
umask 077

folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"
printf '*\n' > "$folder/.gitignore"

keep() {  # NAME VALUE
	if [ ! -e "$folder/$1" ]; then
		printf '%s' "$2" > "$folder/$1"
		chmod 444 "$folder/$1"
		echo "made $folder/$1"
	fi
}

random() {  # BYTES, as twice as many hexadecimal digits
	od -An -vtx1 -N"$1" /dev/urandom | tr -d ' \n'
}

for name in django_secret_key django_secret_key_fallbacks gpu_callback_secret supabase_jwt_secret \
	modal_token_id modal_token_secret storage_signing_key \
	postgres_password redis_password rabbitmq_password mongodb_root_password mongodb_password; do
	keep "$name" "$(random 32)"
done
# Of no use until they are replaced by those of the bucket.
keep s3_access_key_id "$(random 10)"
keep s3_secret_access_key "$(random 20)"
keep schema_registry_api_key ""
keep schema_registry_api_secret ""
keep flower_login "auteur:$(random 20)"
keep streams_redis_url ""
keep database_replica_url ""
keep kafka_password ""
# Nobody signs results until there are a certificate and its key, and C2PA_CERTIFICATE_PATH is set.
keep c2pa_certificate ""
keep c2pa_private_key ""
# Secrets before the present ones, while they rotate (docs/secrets.md).
keep gpu_callback_secret_fallbacks ""
keep storage_signing_key_fallbacks ""
keep supabase_jwt_secret_fallbacks ""
keep stripe_secret_key ""
keep stripe_webhook_secrets ""

# The tables' owner, for `migrate`, which makes the application's role: that one may change neither
# tables nor the ledger.
keep migration_database_url \
	"postgres://auteur:$(cat "$folder/postgres_password")@postgres:5432/auteur"
keep database_url "postgres://auteur_app:$(random 32)@postgres:5432/auteur"
keep redis_url "redis://:$(cat "$folder/redis_password")@redis:6379/0"
# Read with deploy/compose.rabbitmq.yml alone.
keep celery_broker_url "amqp://auteur:$(cat "$folder/rabbitmq_password")@rabbitmq:5672"
keep mongodb_uri "mongodb://auteur:$(cat "$folder/mongodb_password")@mongodb:27017/auteur"
