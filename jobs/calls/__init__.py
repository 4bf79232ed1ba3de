"""Run calls of GPU functions: their backends, capacity, deadlines and circuits."""
