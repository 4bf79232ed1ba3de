// Runs once, on a new database: Auteur's own user, who can write its database and no other.
db.getSiblingDB("auteur").createUser({
  user: "auteur",
  pwd: require("fs").readFileSync("/run/secrets/mongodb_password", "utf8").trim(),
  roles: [{ role: "readWrite", db: "auteur" }],
});
