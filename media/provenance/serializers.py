"""Build the response of the endpoint for content credentials."""

from typing import Any

from rest_framework import serializers


class SignerSerializer(serializers.Serializer[Any]):
    """Who signed, as the certificate says."""

    issuer = serializers.CharField(allow_null=True)
    common_name = serializers.CharField(allow_null=True)
    serial_number = serializers.CharField(allow_null=True)
    algorithm = serializers.CharField(allow_null=True)


class ActionSerializer(serializers.Serializer[Any]):
    """One thing that was done."""

    action = serializers.CharField(allow_null=True, help_text="As C2PA calls it: `c2pa.created`.")
    digital_source_type = serializers.CharField(
        allow_null=True, help_text="A term of IPTC's vocabulary: how the media came to be."
    )
    software_agent = serializers.CharField(allow_null=True)


class IngredientSerializer(serializers.Serializer[Any]):
    """What it was made of."""

    title = serializers.CharField(allow_null=True, help_text="Of ours, the media file's id.")
    instance_id = serializers.CharField(allow_null=True)
    relationship = serializers.CharField(allow_null=True)
    has_credentials = serializers.BooleanField(help_text="Whether its own are in the file, too.")


class ManifestSerializer(serializers.Serializer[Any]):
    """The file's active manifest."""

    generator = serializers.CharField(allow_null=True)
    signed_by = SignerSerializer()
    signed_at = serializers.CharField(allow_null=True, help_text="By a time stamp, if it has one.")
    actions = ActionSerializer(many=True)
    ingredients = IngredientSerializer(many=True)


class RecordSerializer(serializers.Serializer[Any]):
    """What we noted when a job's result was made."""

    status = serializers.ChoiceField(
        choices=["signed", "unsupported", "too_large", "no_room", "off", "failed"],
        help_text="`unsupported`: its format (WebM) has no place for credentials; `too_large`: "
        "this installation signs smaller ones only; `no_room`: they "
        "do not fit into the size that a compression was asked for; `off`: this "
        "installation has no certificate; `failed`: it could not be signed, and nothing in it is "
        "generated.",
    )
    digital_source_type = serializers.CharField(allow_null=True)
    certificate = serializers.CharField(
        required=False, help_text="The serial number of the one that signed."
    )


class ProvenanceSerializer(serializers.Serializer[Any]):
    """A media file's content credentials, read from the file itself."""

    media_id = serializers.UUIDField()
    recorded = RecordSerializer(allow_null=True, help_text="null of what was not made here.")
    not_read = serializers.ChoiceField(
        choices=["unsupported_format", "too_large", "unreadable"],
        allow_null=True,
        help_text="Why the file was not read, if it was not.",
    )
    validation_state = serializers.ChoiceField(
        choices=["Trusted", "Valid", "Invalid"],
        allow_null=True,
        help_text="`Trusted`: it holds, and our own authority vouches for who signed; `Valid`: it "
        "holds, whoever signed; `Invalid`: the file was changed since, or its certificate is no "
        "good. null where it has no credentials.",
    )
    is_ours = serializers.BooleanField(help_text="Whether it holds and we have signed it.")
    problems = serializers.ListField(child=serializers.CharField(), help_text="C2PA's codes.")
    manifest = ManifestSerializer(allow_null=True)
