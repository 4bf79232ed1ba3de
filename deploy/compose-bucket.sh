#!/bin/sh
# The bucket, and a user of MinIO who can do with its objects what Auteur does, and nothing more.
set -eu

secret() {
	cat "/run/secrets/$1"
}

key_id=$(secret s3_access_key_id)
secret_key=$(secret s3_secret_access_key)
root_password=$(secret minio_root_password)
# How mc is told of two ways to one server: as its root, and as our user.
export MC_HOST_root="http://$MINIO_ROOT_USER:$root_password@minio:9000"
export MC_HOST_auteur="http://$key_id:$secret_key@minio:9000"

cat > /tmp/policy.json <<END
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
      "Resource": ["arn:aws:s3:::$S3_BUCKET"]
    },
    {
      "Effect": "Allow",
      "Action": [
        "s3:GetObject", "s3:PutObject", "s3:DeleteObject",
        "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"
      ],
      "Resource": ["arn:aws:s3:::$S3_BUCKET/*"]
    }
  ]
}
END

mc mb --ignore-existing "root/$S3_BUCKET"
mc admin policy create root auteur /tmp/policy.json
printf '%s\n%s\n' "$key_id" "$secret_key" | mc admin user add root
# Refused where it is attached already; the last line shows whether it is.
mc admin policy attach root auteur --user "$key_id" || true
mc ls "auteur/$S3_BUCKET"
