-- Why: what a project keeps beside its records: head, journal, ledger, idempotency keys, documents.
-- Locks: one project's database, for milliseconds; it is new.

CREATE TABLE head (
    one               INTEGER NOT NULL,
    seq               INTEGER NOT NULL,
    instant           INTEGER NOT NULL,
    catalogue_version INTEGER NOT NULL,
    CONSTRAINT head_key PRIMARY KEY (one),
    CONSTRAINT head_is_one_row CHECK (one = 1)
) STRICT;

INSERT INTO head (one, seq, instant, catalogue_version) VALUES (1, 0, 0, 0);

CREATE TABLE counter (
    name  TEXT NOT NULL,
    value INTEGER NOT NULL,
    CONSTRAINT counter_name PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

-- What the project adds to the standard model; no row means nothing.
CREATE TABLE overlay (
    one  INTEGER NOT NULL,
    body TEXT NOT NULL,
    CONSTRAINT overlay_key PRIMARY KEY (one),
    CONSTRAINT overlay_is_one_row CHECK (one = 1)
) STRICT;

CREATE TABLE batch (
    id              TEXT NOT NULL,
    login           TEXT NOT NULL,
    door            TEXT NOT NULL,
    operation       TEXT NOT NULL,
    commits         TEXT NOT NULL,
    state           TEXT NOT NULL,
    refused_whole   INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    finished_at     INTEGER,
    chunks          INTEGER NOT NULL,
    first_seq       INTEGER,
    last_seq        INTEGER,
    columns         TEXT NOT NULL,
    memo            TEXT NOT NULL,
    statements      INTEGER NOT NULL,
    store_ms        REAL NOT NULL,
    total_ms        REAL NOT NULL,
    received        INTEGER NOT NULL,
    added           INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    unchanged       INTEGER NOT NULL,
    deleted         INTEGER NOT NULL,
    parked          INTEGER NOT NULL,
    refused         INTEGER NOT NULL,
    skipped         INTEGER NOT NULL,
    effects_added   INTEGER NOT NULL,
    effects_updated INTEGER NOT NULL,
    effects_deleted INTEGER NOT NULL,
    CONSTRAINT batch_id PRIMARY KEY (id)
) STRICT;

CREATE INDEX batch_running ON batch (id) WHERE state = 'running';

-- Journal and ledger of one chunk. The hashes stand before the body, so that a search for a key
-- reads no more of a row than it must.
CREATE TABLE page (
    batch     TEXT NOT NULL,
    chunk     INTEGER NOT NULL,
    source    TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    entries   INTEGER NOT NULL,
    fates     INTEGER NOT NULL,
    instant   INTEGER NOT NULL,
    hashes    BLOB NOT NULL,
    body      BLOB NOT NULL,
    CONSTRAINT page_chunk PRIMARY KEY (batch, chunk)
) STRICT;

CREATE INDEX page_by_seq ON page (last_seq) WHERE entries > 0;
CREATE INDEX page_by_instant ON page (instant);

CREATE TABLE refused (
    batch    TEXT NOT NULL,
    row      INTEGER NOT NULL,
    line     INTEGER,
    entity   TEXT NOT NULL,
    id       TEXT,
    instant  INTEGER NOT NULL,
    hashes   BLOB NOT NULL,
    received TEXT NOT NULL,
    problems TEXT NOT NULL,
    CONSTRAINT refused_row PRIMARY KEY (batch, row)
) STRICT;

CREATE INDEX refused_by_instant ON refused (instant);

CREATE TABLE idempotency (
    login   TEXT NOT NULL,
    key     TEXT NOT NULL,
    hash    BLOB NOT NULL,
    batch   TEXT NOT NULL,
    instant INTEGER NOT NULL,
    CONSTRAINT idempotency_key PRIMARY KEY (login, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_instant ON idempotency (instant);

CREATE TABLE document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    CONSTRAINT document_name PRIMARY KEY (kind, name)
) STRICT;

-- Long values of the journal. `instant` is that of the last page that names the value; the value
-- goes with that page.
CREATE TABLE blob (
    hash    BLOB NOT NULL,
    instant INTEGER NOT NULL,
    body    BLOB NOT NULL,
    CONSTRAINT blob_hash PRIMARY KEY (hash)
) STRICT;

CREATE INDEX blob_by_instant ON blob (instant);
