#!/bin/sh
# Starts mongod with secrets of its own, made at the first start and kept in their volume: the key file, without which a
# replica set has no authentication, and root's password, which nobody has to know. To read it:
#   docker compose exec mongo cat /data/configdb/root-password
set -eu

umask 077
for secret in keyfile root-password; do
	file=/data/configdb/$secret
	if [ ! -s "$file" ]; then
		head -c 48 /dev/urandom | base64 -w 0 >"$file.half"
		mv "$file.half" "$file"
	fi
	chown mongodb:mongodb "$file"
	chmod 400 "$file"
done

exec docker-entrypoint.sh "$@"
