CREATE TABLE users (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- "Ada" and "ada" are one name.
CREATE UNIQUE INDEX users_name ON users (lower(name));
