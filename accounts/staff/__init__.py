"""Staff: their sign-in to the admin, second factors, roles, and the record of events."""
