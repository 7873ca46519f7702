CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is not given twice, even after its user is gone
    name TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;

-- "Ada" and "ada" are one name.
CREATE UNIQUE INDEX users_name ON users (lower(name));
