-- A name is never changed, so it is the user's id as well. "Ada" and "ada" are one name.
CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    hash TEXT NOT NULL,
    picture TEXT -- the name of a file in MEDIA_DIR
) STRICT, WITHOUT ROWID;

-- Until now a note belonged to a name that anybody could take. Nobody can say any more whose it was.
DROP TABLE notes;

CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is not given twice, even after its note is gone
    owner TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    title TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX notes_owner ON notes (owner, id);
