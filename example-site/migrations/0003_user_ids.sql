-- A user gets a number, as `Auth::sqlite` knows users by: a name can be changed one day. "Ada" and "ada" stay one name.
CREATE TABLE users_with_ids (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is not given twice, even after its user is gone
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    picture TEXT -- the name of a file in MEDIA_DIR
) STRICT;

INSERT INTO users_with_ids (name, hash, picture) SELECT name, hash, picture FROM users ORDER BY name;

CREATE TABLE notes_of_ids (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is not given twice, even after its note is gone
    owner INTEGER NOT NULL REFERENCES users_with_ids (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

INSERT INTO notes_of_ids (id, owner, title, body)
SELECT notes.id, users_with_ids.id, title, body
FROM notes JOIN users_with_ids ON users_with_ids.name = notes.owner COLLATE NOCASE;

DROP TABLE notes;
DROP TABLE users;
ALTER TABLE users_with_ids RENAME TO users;
ALTER TABLE notes_of_ids RENAME TO notes;

CREATE UNIQUE INDEX users_name ON users (lower(name));
CREATE INDEX notes_owner ON notes (owner, id);
