"""Build the response of the endpoint for content credentials."""

from typing import Any

from rest_framework import serializers


class SignerSerializer(serializers.Serializer[Any]):
    """The signer, as stated in the certificate."""

    issuer = serializers.CharField(allow_null=True)
    common_name = serializers.CharField(allow_null=True)
    serial_number = serializers.CharField(allow_null=True)
    algorithm = serializers.CharField(allow_null=True)


class ActionSerializer(serializers.Serializer[Any]):
    """One action in the history of the media."""

    action = serializers.CharField(
        allow_null=True, help_text="The C2PA name of the action, such as `c2pa.created`."
    )
    digital_source_type = serializers.CharField(
        allow_null=True, help_text="How the media was made, as a term of IPTC's vocabulary."
    )
    software_agent = serializers.CharField(allow_null=True)


class IngredientSerializer(serializers.Serializer[Any]):
    """One media file from which the media was made."""

    title = serializers.CharField(
        allow_null=True, help_text="The title. For media of ours, it is the id of the media file."
    )
    instance_id = serializers.CharField(allow_null=True)
    relationship = serializers.CharField(allow_null=True)
    has_credentials = serializers.BooleanField(
        help_text="True if the credentials of the ingredient are in the file, too."
    )


class ManifestSerializer(serializers.Serializer[Any]):
    """The file's active manifest."""

    generator = serializers.CharField(allow_null=True)
    signed_by = SignerSerializer()
    signed_at = serializers.CharField(
        allow_null=True, help_text="The time in the signature's time stamp, if it has one."
    )
    actions = ActionSerializer(many=True)
    ingredients = IngredientSerializer(many=True)


class RecordSerializer(serializers.Serializer[Any]):
    """What was recorded when a job made the media."""

    status = serializers.ChoiceField(
        choices=["signed", "unsupported", "too_large", "no_room", "off", "failed"],
        help_text="`unsupported`: the format (WebM) cannot hold credentials. `too_large`: the "
        "file is larger than this installation signs. `no_room`: the credentials do not fit into "
        "the requested size of a compression. `off`: this installation has no certificate. "
        "`failed`: the file could not be signed, and nothing in it is generated.",
    )
    digital_source_type = serializers.CharField(allow_null=True)
    certificate = serializers.CharField(
        required=False, help_text="The serial number of the signing certificate."
    )


class ProvenanceSerializer(serializers.Serializer[Any]):
    """A media file's content credentials, read from the file itself."""

    media_id = serializers.UUIDField()
    recorded = RecordSerializer(allow_null=True, help_text="Null for media that was not made here.")
    not_read = serializers.ChoiceField(
        choices=["unsupported_format", "too_large", "unreadable"],
        allow_null=True,
        help_text="Why the file was not read. Null if it was read.",
    )
    validation_state = serializers.ChoiceField(
        choices=["Trusted", "Valid", "Invalid"],
        allow_null=True,
        help_text="`Trusted`: the signature is valid, and the certificate is one that we trust. "
        "`Valid`: the signature is valid, and the certificate is not one that we trust. "
        "`Invalid`: the file was changed after it was signed, or the certificate is invalid. Null "
        "if the file has no credentials.",
    )
    is_ours = serializers.BooleanField(
        help_text="True if the credentials are valid and signed by us."
    )
    problems = serializers.ListField(
        child=serializers.CharField(), help_text="The codes of C2PA's validation."
    )
    manifest = ManifestSerializer(allow_null=True)
