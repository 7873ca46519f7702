-- The table of Duck's sessions. It is made when the site starts, if its user may make tables.
BEGIN;
SELECT pg_advisory_xact_lock(1685414763); -- of processes that start at once, one makes it
DO $$ BEGIN
    IF to_regclass('duck_sessions') IS NULL THEN
        CREATE TABLE duck_sessions (
            key bytea PRIMARY KEY CHECK (octet_length(key) = 16),
            count bigint NOT NULL,
            random bigint NOT NULL,
            user_key bytea CHECK (octet_length(user_key) = 16),
            expires bigint NOT NULL, -- milliseconds since 1970, UTC
            due bigint NOT NULL,     -- when it is looked at whether it is over: never after `expires`
            bytes bytea NOT NULL
        ) WITH (fillfactor = 80);
        ALTER TABLE duck_sessions ALTER COLUMN bytes SET STORAGE EXTERNAL; -- what is sealed cannot be compressed
        CREATE INDEX duck_sessions_due ON duck_sessions (due);
        CREATE INDEX duck_sessions_user ON duck_sessions (user_key) WHERE user_key IS NOT NULL;
        COMMENT ON TABLE duck_sessions IS 'Sessions of Duck, schema 1';
    END IF;
END $$;
COMMIT;
-- What the site's user needs, where another one makes the table:
-- GRANT SELECT, INSERT, UPDATE, DELETE ON duck_sessions TO the_user_of_the_site;
