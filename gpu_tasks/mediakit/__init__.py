"""Pictures, sound and faces, as features and the rooms above read and write them."""
