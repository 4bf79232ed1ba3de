"""Read and write pictures, sound and faces, for several features and for `media`."""
