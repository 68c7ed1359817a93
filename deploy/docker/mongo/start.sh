#!/bin/sh
# Starts mongod with two secrets that are created at the first start and kept in a volume: the key file, which a replica
# set needs for authentication, and root's password, which is rarely needed. To read it:
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
