CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is not given twice, even after its note is gone
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX notes_owner ON notes (owner, id);
