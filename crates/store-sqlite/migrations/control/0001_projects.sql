-- Why: the projects of this data folder, and which project a key belongs to that names none.
-- Locks: the control database alone, for milliseconds; it is new.

CREATE TABLE project (
    folded TEXT NOT NULL,
    code   TEXT NOT NULL,
    CONSTRAINT project_folded PRIMARY KEY (folded)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key (
    hash    BLOB NOT NULL,
    project TEXT NOT NULL,
    CONSTRAINT api_key_hash PRIMARY KEY (hash),
    CONSTRAINT api_key_project FOREIGN KEY (project) REFERENCES project (folded)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_by_project ON api_key (project);
