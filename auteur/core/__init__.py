"""The lowest layer: parts that every app shares and that know none of the apps."""
