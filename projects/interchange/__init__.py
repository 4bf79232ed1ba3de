"""A project's timeline as files of other editors: OpenTimelineIO, FCP XML and CMX 3600."""
