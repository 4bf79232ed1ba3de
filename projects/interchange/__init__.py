"""Convert a project's timeline to and from files of other editors (OTIO, FCP XML, CMX 3600)."""
